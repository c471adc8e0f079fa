from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from annotation.taxonomy import SHIPPED, rows_sha256


def add(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The shipped categories get their boundary examples, and with them the first version its hash."""
    first = apps.get_model("annotation", "Taxonomy").objects.get(version=1)
    for row in SHIPPED:
        examples = {"examples_en": row.examples_en, "examples_zh": row.examples_zh}
        apps.get_model("annotation", "Category").objects.filter(taxonomy=first, code=row.code).update(**examples)
    first.sha256 = rows_sha256(SHIPPED)
    first.save(update_fields=["sha256"])


class Migration(migrations.Migration):
    dependencies = [("annotation", "0015_operations_of_many")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
