from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from annotation.taxonomy import CATEGORIES

FIELDS = ("code", "name_en", "name_zh", "definition_en", "definition_zh")


def add(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    category = apps.get_model("annotation", "Category")
    rows = [
        category(position=position, **dict(zip(FIELDS, row, strict=True)))
        for position, row in enumerate(CATEGORIES, 1)
    ]
    category.objects.bulk_create(rows)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0002_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
