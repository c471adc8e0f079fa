from django.apps.registry import Apps
from django.core.management.base import CommandError
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Count

from annotation.taxonomy import SHIPPED, rows_sha256


def add(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The shipped categories get their boundary examples, and with them the first version its hash."""
    first = apps.get_model("annotation", "Taxonomy").objects.get(version=1)
    for row in SHIPPED:
        examples = {"examples_en": row.examples_en, "examples_zh": row.examples_zh}
        apps.get_model("annotation", "Category").objects.filter(taxonomy=first, code=row.code).update(**examples)
    first.sha256 = rows_sha256(SHIPPED)
    first.save(update_fields=["sha256"])


def refuse_losses(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The schema before the workbench has room for one taxonomy, and for steps that put one label into a category."""
    get = apps.get_model
    steps = get("annotation", "LabelOperation").objects.annotate(labels=Count("changes"))
    lost = {
        "steps about several labels or other than a decision": steps.exclude(verb="assign", labels=1),
        "versions of the categories": get("annotation", "Taxonomy").objects.exclude(version=1),
        "guidelines": get("annotation", "Guideline").objects.all(),
        "rules": get("annotation", "LabelRule").objects.all(),
    }
    found = ", ".join(f"{n} {name}" for name, rows in lost.items() if (n := rows.count()))
    if found:
        raise CommandError(
            f"The older version has no place for {found}. "
            "To go back, restore the backup that was made before the upgrade."
        )


class Migration(migrations.Migration):
    dependencies = [("annotation", "0015_operations_of_many")]
    operations = [migrations.RunPython(add, refuse_losses)]
