from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def add(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The categories that are there belong to the first version, whose id the next migration counts on."""
    apps.get_model("annotation", "Taxonomy").objects.create(id=1, version=1, name="MadSafe 14")
    if editor.connection.vendor == "postgresql":  # the id was given, so the sequence does not know of it
        editor.execute(
            "SELECT setval(pg_get_serial_sequence('annotation_taxonomy', 'id'), max(id)) FROM annotation_taxonomy"
        )


class Migration(migrations.Migration):
    dependencies = [("annotation", "0011_taxonomies")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
