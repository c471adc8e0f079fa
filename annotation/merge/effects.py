"""What a step leaves beside the entries of labels: rules, comments, refused pairs and blind answers."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Model

from annotation.merge.blind import opinions_turn, taken_back
from annotation.models import LabelComment, LabelOperation, LabelRule, RefusedPair

Verb = LabelOperation.Verb
# What a step of this verb leaves, and in which columns no two that stand may be equal.
BESIDE: Mapping[str, tuple[type[Model], tuple[str, ...]]] = {
    Verb.ASSIGN: (LabelRule, ("keyer", "key")),
    Verb.COMMENT: (LabelComment, ()),
    Verb.REFUSE: (RefusedPair, ("first", "second")),
}


def effects_turn(operation: LabelOperation, standing: bool) -> None:
    """What a step left beside its entries stands or falls with it; of two that are equal only one stands."""
    opinions_turn(operation, undone=not standing)
    if operation.verb == Verb.WITHDRAW:
        _rule_turn(operation, withdrawn=standing)
    elif operation.verb in BESIDE:
        model, same = BESIDE[operation.verb]
        for row in model._default_manager.filter(operation=operation):
            _stand(row, same, standing)


def _rule_turn(operation: LabelOperation, withdrawn: bool) -> None:
    """Withdraw a rule again, or let it hold again, unless the step that made it is taken back."""
    rule = LabelRule.objects.filter(pk=operation.payload["rule"]).first()
    if rule is None:
        return
    LabelRule.objects.filter(pk=rule.pk).update(withdrawn=operation if withdrawn else None)
    rule.withdrawn = operation if withdrawn else None
    _stand(rule, BESIDE[Verb.ASSIGN][1], not withdrawn and not taken_back({rule.operation_id}))


def _stand(row: Model, same: tuple[str, ...], standing: bool) -> None:
    rows = type(row)._default_manager
    if standing and getattr(row, "withdrawn", None):  # that is to be taken back first
        return
    equal = {name: getattr(row, name) for name in same}
    if not (standing and same and rows.filter(standing=True, **equal).exists()):
        rows.filter(pk=row.pk).update(standing=standing)
