"""Saved rules: what people decided about several labels with one exact key holds for labels that come later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from annotation.clustering.proposers.exact import exact_keys
from annotation.merge.blind import labels_of_two
from annotation.merge.operations import Change, Step, Verb, operation_do
from annotation.merge.states import DROP
from annotation.models import DecidedBy, IntentLabel, LabelOperation, LabelRule, MapEntry, MergeMap
from madsafe_web.core.models import User

LONGEST = 200  # characters of a key that can be kept
SHARED = 2  # labels with a key that make a rule


def rules_standing() -> QuerySet[LabelRule]:
    """The rules that apply to new labels, the newest first."""
    return LabelRule.objects.filter(standing=True).select_related("operation__actor").order_by("-id")


def rules_keep(operation: LabelOperation, labels: Collection[int], target: str, theme: str) -> None:
    """Save a rule for each exact key that several of these labels share, in place of one that said something else.

    A step that makes labels undecided saves none. The rules stand and fall with the step.
    """
    if not target or len(labels) < SHARED:
        return
    names = IntentLabel.objects.filter(pk__in=labels).values_list("name", flat=True)
    held = Counter(key for name in names for key in keys_of(name))
    shared = {key for key, number in held.items() if number >= SHARED}
    standing = {(rule.keyer, rule.key): rule for rule in LabelRule.objects.filter(standing=True)}
    told = (target, theme)
    said = {key: rule for key, rule in standing.items() if key in shared and (rule.target, rule.theme) != told}
    LabelRule.objects.filter(pk__in=[rule.pk for rule in said.values()]).update(standing=False)
    new = sorted(key for key in shared if key not in standing or key in said)
    made = [LabelRule(keyer=keyer, key=key, target=target, theme=theme, operation=operation) for keyer, key in new]
    LabelRule.objects.bulk_create(made)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the standing rules say of a label: a target, the theme where they agree on one, and their ids."""

    target: str
    theme: str
    rules: tuple[int, ...]


def rules_apply(draft: MergeMap, labels: Collection[int], user: User | None = None) -> LabelOperation | None:
    """Decide undecided labels of a draft by the standing rules, as one step; None where no rule says anything.

    Where two rules disagree about a label, it stays undecided, and so does one about which people answered blindly.
    `user`: who asked for it; the labels are marked "by rule" all the same.
    """
    changes, seen = {}, {}
    rows = rows_open(draft).filter(label__in=labels).values_list("label", "label__name", "revision")
    found = verdicts(draft, {label: name for label, name, _revision in rows}) if labels else {}
    for label, _name, revision in rows if found else ():
        if label in found:
            changes[label] = _change(found[label].target, found[label].theme)
            seen[label] = revision
    if not seen:
        return None
    step = Step(Verb.APPLY, {"rules": True}, lambda state: state, changes=changes)
    return operation_do(draft=draft, user=user, seen=seen, step=step)


def rows_open(draft: MergeMap) -> QuerySet[MapEntry]:
    """The entries that rules may decide: undecided, and none that two people answer or have to."""
    rows = MapEntry.objects.filter(merge_map=draft, decided_by=DecidedBy.NOBODY, second=MapEntry.Second.NONE)
    two = labels_of_two(list(rows.values_list("label", flat=True)), draft)
    return rows.exclude(label__in=two) if two else rows


def verdicts(merge_map: MergeMap, names: Mapping[int, str]) -> dict[int, Verdict]:
    """Label id → what the standing rules say of it, for those on which they agree; `names`: id → name."""
    said = {(rule.keyer, rule.key): rule for rule in LabelRule.objects.filter(standing=True)}
    if not said:
        return {}
    known = {*merge_map.taxonomy.categories.values_list("code", flat=True), DROP}
    found = {}
    for label, name in names.items():
        rules = [said[key] for key in keys_of(name) if key in said]
        if len({rule.target for rule in rules}) == 1 and rules[0].target in known:
            themes = {rule.theme for rule in rules}
            theme = themes.pop() if len(themes) == 1 else ""
            found[label] = Verdict(rules[0].target, theme, tuple(rule.pk for rule in rules))
    return found


def keys_of(name: str) -> set[tuple[str, str]]:
    """Keyer and key of each exact key of a label that can be kept."""
    return {(keyer, key) for keyer, key in exact_keys(name).items() if len(key) <= LONGEST}


def _change(target: str, theme: str) -> Change:
    return lambda state: replace(state, target=target, by=DecidedBy.RULE, theme=theme)
