"""What a step leaves beside the entries of labels: rules, comments, refused pairs and blind answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from annotation.merge.blind import opinions_turn, taken_back
from annotation.merge.states import DROP
from annotation.models import LabelComment, LabelOperation, LabelRule, MergeMap, RefusedPair

Verb = LabelOperation.Verb
Row = TypeVar("Row", LabelRule, RefusedPair)


def effects_turn(operation: LabelOperation, standing: bool) -> None:
    """What a step left beside its entries stands or falls with it.

    `operation`: the step itself, whose undo or redo is recorded already.
    """
    opinions_turn(operation, undone=not standing)
    if operation.verb == Verb.WITHDRAW:
        withdrawn = LabelRule.objects.filter(pk=operation.payload["rule"])
        withdrawn.update(withdrawn=operation if standing else None)
        rules_settle(withdrawn, operation.merge_map)
    elif operation.verb == Verb.ASSIGN:
        rules_settle(operation.rules.all(), operation.merge_map)
    elif operation.verb == Verb.COMMENT:
        LabelComment.objects.filter(operation=operation).update(standing=standing)
    elif operation.verb == Verb.REFUSE:
        pairs_settle(operation.refused.all())


def rules_settle(rules: Iterable[LabelRule], merge_map: MergeMap) -> None:
    """Of all rules about the keys of these the newest whose step stands holds, unless it was withdrawn."""
    keys = {(rule.keyer, rule.key) for rule in rules}
    if not keys:
        return
    found = LabelRule.objects.filter(key__in={key for _keyer, key in keys})
    known = {*merge_map.taxonomy.categories.values_list("code", flat=True), DROP}
    _settle(
        LabelRule,
        [rule for rule in found if (rule.keyer, rule.key) in keys],
        lambda rule: (rule.keyer, rule.key),
        lambda rule: rule.withdrawn_id is None and rule.target in known,
    )


def pairs_settle(pairs: Iterable[RefusedPair]) -> None:
    """What several people refused stays refused as long as the step of one of them stands."""
    keys = {(pair.first_id, pair.second_id) for pair in pairs}
    found = RefusedPair.objects.filter(first__in={first for first, _second in keys})
    _settle(
        RefusedPair,
        [pair for pair in found if (pair.first_id, pair.second_id) in keys],
        lambda pair: (pair.first_id, pair.second_id),
        lambda pair: True,
    )


def _settle(
    model: type[Row], rows: Sequence[Row], about: Callable[[Row], Hashable], holds: Callable[[Row], bool]
) -> None:
    """Of the rows about one thing only the newest whose step stands can hold; `rows` are all about their things."""
    if not rows:
        return
    undone = taken_back({row.operation_id for row in rows})
    newest = {about(row): row for row in sorted(rows, key=lambda row: row.pk) if row.operation_id not in undone}
    stand = [row.pk for row in newest.values() if holds(row)]
    every = model._default_manager.filter(pk__in=[row.pk for row in rows])
    every.exclude(pk__in=stand).update(standing=False)
    every.filter(pk__in=stand).update(standing=True)
