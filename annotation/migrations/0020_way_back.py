from django.apps.registry import Apps
from django.core.management.base import CommandError
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Count


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
            f"Nothing was changed: the older version has no place for {found}. "
            "To go back, restore the backup that was made before the upgrade."
        )


class Migration(migrations.Migration):
    # The newest of both apps, so that the way back begins here, before anything is taken away.
    dependencies = [("annotation", "0019_withdrawn_rules"), ("core", "0012_rejected_rows")]
    operations = [migrations.RunPython(migrations.RunPython.noop, refuse_losses)]
