"""The saved rules: whose decisions they keep, and how many labels they decided and would decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.merge.rules import keys_of, rows_open, rules_standing, verdicts
from annotation.merge.states import DROP
from annotation.merge.telling import about
from annotation.models import Category, DecidedBy, LabelChange, LabelOperation, LabelRule, MapEntry, MergeMap
from annotation.pages.label_detail import actor_of
from annotation.pages.labels import map_shown
from annotation.selectors import categories_of
from madsafe_web.core.access import can
from madsafe_web.core.models import User
from madsafe_web.core.paging import newest_first

Context = dict[str, Any]  # Any: a template's context
KEYERS = {
    "fingerprint": _("same letters"),
    "characters": _("same characters"),
    "pinyin": _("same sound"),
    "core": _("same core"),
}


@dataclass(frozen=True, slots=True)
class RuleShown:
    """A rule as the table shows it. `open`: undecided labels that it would decide, if it were applied now."""

    id: int
    keyer: str
    key: str
    target: Category | str
    theme: str
    about: str
    actor: str
    when: datetime
    decided: int
    open: int


def rules_context(user: User, query: QueryDict) -> Context:
    """The standing rules, the newest first."""
    page = newest_first(rules_standing(), query)
    merge_map = map_shown()
    known = categories_of(merge_map)
    decided = _decided(page.rows, merge_map) if page.rows and merge_map else Counter()
    waiting = _open(merge_map) if page.rows and merge_map else {}
    would = Counter(rule for rules in waiting.values() for rule in rules)
    return {
        "rules": [_shown(rule, known, decided[rule.pk], would[rule.pk]) for rule in page.rows],
        "pager": page.pager,
        "open": len(waiting),
        "may": can(user, "merge"),
    }


def _shown(rule: LabelRule, known: Mapping[str, Category], decided: int, would: int) -> RuleShown:
    return RuleShown(
        id=rule.pk,
        keyer=str(KEYERS.get(rule.keyer, rule.keyer)),
        key=rule.key,
        target=DROP if rule.target == DROP else known.get(rule.target, rule.target),
        theme=rule.theme,
        about=about(rule.operation),
        actor=actor_of(rule.operation),
        when=rule.operation.created,
        decided=decided,
        open=would,
    )


def _open(merge_map: MergeMap) -> dict[int, tuple[int, ...]]:
    """Undecided label → the rules that would decide it."""
    names = dict(rows_open(merge_map).values_list("label", "label__name"))
    return {label: verdict.rules for label, verdict in verdicts(merge_map, names).items()}


def _decided(rules: Sequence[LabelRule], merge_map: MergeMap) -> Counter[int]:
    """Rule id → number of labels of its key that a rule decided so, and that still stand so."""
    steps = LabelOperation.objects.filter(verb=LabelOperation.Verb.APPLY, payload__rules=True)
    by_rules = LabelChange.objects.filter(operation__in=steps).values("entry__label")
    entries = MapEntry.objects.filter(merge_map=merge_map, decided_by=DecidedBy.RULE, label__in=by_rules)
    of_key = {(rule.keyer, rule.key): rule for rule in rules}
    found: Counter[int] = Counter()
    for name, code, dropped in entries.values_list("label__name", "category__code", "dropped"):
        target = DROP if dropped else code
        found.update(of_key[key].pk for key in keys_of(name) if key in of_key and of_key[key].target == target)
    return found
