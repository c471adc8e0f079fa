"""Saved rules: what people decided about several labels with one exact key holds for labels that come later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet

from annotation.clustering.proposers.exact import exact_keys
from annotation.merge.operations import Change, Step, Verb, operation_do
from annotation.merge.states import DROP
from annotation.models import DecidedBy, IntentLabel, LabelOperation, LabelRule, MapEntry, MergeMap
from madsafe_web.core.audit import audit
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


def rules_apply(draft: MergeMap, labels: Collection[int]) -> LabelOperation | None:
    """Decide undecided labels of a draft by the standing rules, as one step; None where no rule says anything.

    Where two rules disagree about a label, it stays undecided.
    """
    if not labels:
        return None
    said: dict[tuple[str, str], tuple[str, str]] = {
        (rule.keyer, rule.key): (rule.target, rule.theme) for rule in rules_standing()
    }
    if not said:
        return None
    known = {*draft.taxonomy.categories.values_list("code", flat=True), DROP}
    rows = MapEntry.objects.filter(merge_map=draft, label__in=labels, decided_by=DecidedBy.NOBODY)
    changes, seen = {}, {}
    for label, name, revision in rows.values_list("label", "label__name", "revision"):
        found = {said[key] for key in keys_of(name) if key in said}
        if len({target for target, _ in found}) == 1 and (target := next(iter(found))[0]) in known:
            themes = {theme for _, theme in found}
            changes[label] = _change(target, themes.pop() if len(themes) == 1 else "")
            seen[label] = revision
    if not seen:
        return None
    step = Step(Verb.APPLY, {"rules": True}, lambda state: state, changes=changes)
    return operation_do(draft=draft, user=None, seen=seen, step=step)


@transaction.atomic
def rule_withdraw(user: User, rule: LabelRule) -> bool:
    """Let a rule decide no more labels; those that it decided stay as they are. False when it stands no more."""
    if not LabelRule.objects.filter(pk=rule.pk, standing=True).update(standing=False):
        return False
    audit(user, "rule.withdraw", f"rule {rule.pk}", keyer=rule.keyer, key=rule.key, target=rule.target)
    return True


def keys_of(name: str) -> set[tuple[str, str]]:
    """Keyer and key of each exact key of a label that can be kept."""
    return {(keyer, key) for keyer, key in exact_keys(name).items() if len(key) <= LONGEST}


def _change(target: str, theme: str) -> Change:
    return lambda state: replace(state, target=target, by=DecidedBy.RULE, theme=theme)
