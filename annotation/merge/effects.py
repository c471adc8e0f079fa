"""What a step leaves beside the entries of labels: rules, comments, refused pairs and blind answers."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Model, QuerySet

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
    """Of rows that are equal the newest stands, whichever was done again last."""
    rows = type(row)._default_manager
    if standing and getattr(row, "withdrawn", None):  # that is to be taken back first
        return
    equal = rows.filter(**{name: getattr(row, name) for name in same}).exclude(pk=row.pk) if same else rows.none()
    if standing and equal.filter(standing=True, pk__gt=row.pk).exists():
        return
    if standing:
        equal.filter(standing=True).update(standing=False)
    rows.filter(pk=row.pk).update(standing=standing)
    if isinstance(row, RefusedPair) and not standing:
        _stand_in(RefusedPair.objects.filter(pk__in=equal.values("pk")))


def _stand_in(pairs: QuerySet[RefusedPair]) -> None:
    """What several people refused stays refused as long as the step of one of them stands."""
    if pairs.filter(standing=True).exists():
        return
    undone = taken_back(set(pairs.values_list("operation", flat=True)))
    if heir := pairs.exclude(operation__in=undone).order_by("-pk").first():
        pairs.filter(pk=heir.pk).update(standing=True)
