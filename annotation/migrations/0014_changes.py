from collections import Counter

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PLAIN = {"theme": "", "flagged": False, "second": ""}


def carry(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """An operation was about one label and held its states; from now on it has a change for each of its labels."""
    get = apps.get_model
    entry_of = {
        (map_id, label_id): pk
        for pk, map_id, label_id in get("annotation", "MapEntry").objects.values_list("id", "merge_map", "label")
    }
    revisions: Counter[int] = Counter()
    changes = []
    for step in get("annotation", "LabelOperation").objects.select_related("label").order_by("id"):
        entry_id = entry_of[step.merge_map_id, step.label_id]
        revisions[entry_id] += 1
        states = {"before": {**PLAIN, **step.before}, "after": {**PLAIN, **step.after}}
        change = get("annotation", "LabelChange")
        changes.append(change(operation=step, entry_id=entry_id, revision=revisions[entry_id], **states))
        step.payload = {"target": step.after["target"], "label": step.label.name, "count": 1}
        step.save(update_fields=["payload"])
    get("annotation", "LabelChange").objects.bulk_create(changes, batch_size=1000)
    runs = list(get("annotation", "PromptIntent").objects.order_by("run").values_list("run", flat=True).distinct())
    get("annotation", "MergeMap").objects.update(runs=runs)


def carry_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The change of an operation becomes its own again; those of several labels were refused by 0020."""
    get = apps.get_model
    operations = []
    for change in get("annotation", "LabelChange").objects.select_related("operation", "entry"):
        step = change.operation
        step.label_id = change.entry.label_id
        step.before, step.after = (
            {key: value for key, value in state.items() if key not in PLAIN} for state in (change.before, change.after)
        )
        operations.append(step)
    fields = ["label", "before", "after"]
    get("annotation", "LabelOperation").objects.bulk_update(operations, fields, batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0013_workbench")]
    operations = [migrations.RunPython(carry, carry_back)]
