"""What a step leaves beside the entries of labels: rules, comments, refused pairs and blind answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Model

from annotation.merge.blind import opinions_turn, taken_back
from annotation.merge.states import DROP
from annotation.models import LabelComment, LabelOperation, LabelRule, RefusedPair, Taxonomy

Verb = LabelOperation.Verb
# What a step of this verb leaves, and in which columns no two that stand may be equal.
BESIDE: Mapping[str, tuple[type[Model], tuple[str, ...]]] = {
    Verb.COMMENT: (LabelComment, ()),
    Verb.REFUSE: (RefusedPair, ("first", "second")),
}


def effects_turn(operation: LabelOperation, standing: bool) -> None:
    """What a step left beside its entries stands or falls with it; of two that are equal only one stands.

    `operation`: the step itself, whose undo or redo is recorded already.
    """
    opinions_turn(operation, undone=not standing)
    if operation.verb == Verb.WITHDRAW:
        LabelRule.objects.filter(pk=operation.payload["rule"]).update(withdrawn=operation if standing else None)
        _rules_turn(operation, [operation.payload["rule"]])
    elif operation.verb == Verb.ASSIGN:
        _rules_turn(operation, operation.rules.values_list("pk", flat=True))
    elif operation.verb in BESIDE:
        model, same = BESIDE[operation.verb]
        for row in model._default_manager.filter(operation=operation):
            _stand(row, same, standing)


def _rules_turn(operation: LabelOperation, rules: Collection[int]) -> None:
    keys = set(LabelRule.objects.filter(pk__in=rules).values_list("keyer", "key"))
    if keys:
        rules_settle(keys, operation.merge_map.taxonomy)


def rules_settle(keys: Collection[tuple[str, str]], taxonomy: Taxonomy) -> None:
    """Of all rules about a key (keyer, key) the newest whose step stands holds, unless it was withdrawn."""
    known = {*taxonomy.categories.values_list("code", flat=True), DROP}
    found = LabelRule.objects.filter(key__in={key for _keyer, key in keys}).order_by("id")
    rules = [rule for rule in found if (rule.keyer, rule.key) in keys]
    undone = taken_back({rule.operation_id for rule in rules})
    newest = {(rule.keyer, rule.key): rule for rule in rules if rule.operation_id not in undone}
    stand = [rule.pk for rule in newest.values() if rule.withdrawn_id is None and rule.target in known]
    LabelRule.objects.filter(pk__in=[rule.pk for rule in rules]).exclude(pk__in=stand).update(standing=False)
    LabelRule.objects.filter(pk__in=stand).update(standing=True)


def _stand(row: Model, same: tuple[str, ...], standing: bool) -> None:
    rows = type(row)._default_manager
    equal = {name: getattr(row, name) for name in same}
    if not (standing and same and rows.filter(standing=True, **equal).exists()):
        rows.filter(pk=row.pk).update(standing=standing)
