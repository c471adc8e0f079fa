"""Which labels a list of the merge page holds: what is searched for, and the facets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache

from django.db.models import Q

from annotation.forms import LabelFilter
from annotation.models import DecidedBy, LabelChange, LabelSpelling, MergeMap, PromptIntent
from annotation.pages.labels import Entry, LabelState, targets
from madsafe_web.core.llm.parse import label_key

RULE = "rule"  # as a person in the facet "decided by"
NOBODY = "nobody"
BOUNDS = {"1000": (1000, None), "100": (100, 1000), "10": (10, 100), "1": (0, 10)}  # from, below
SURENESS = {"high": (0.9, 1.01), "middle": (0.6, 0.9), "low": (0.0, 0.6)}
Test = Callable[[LabelState], bool]


class LabelSearch:
    """What a filter asks for, read once: `fits` then asks each label without the database."""

    def __init__(self, filters: LabelFilter, merge_map: MergeMap | None) -> None:
        self.filters = filters
        self.tests: list[Test] = [self._in_state, self._in_facets]
        if filters.text("q"):
            self.wanted = filters.text("q").lower().replace(" ", "")
            self.key = label_key(filters.text("q"))
            spelt = LabelSpelling.objects.filter(text__icontains=filters.text("q"))
            self.spelt = set(spelt.values_list("label", flat=True))
            self.tests.append(self._named)
        ids = _ids_of(filters, merge_map)
        if ids is not None:
            self.tests.append(lambda state: state.id in ids)

    def fits(self, state: LabelState) -> bool:
        return all(test(state) for test in self.tests)

    def _in_state(self, state: LabelState) -> bool:
        if self.filters.view_name == "conflicts" and not state.disputed:
            return False
        asked = self.filters.state_name
        return {"undecided": state.undecided, "decided": not state.undecided, "differs": state.differs}.get(asked, True)

    def _in_facets(self, state: LabelState) -> bool:
        text = self.filters.text
        if text("category") and text("category") != state.code or text("lang") and text("lang") != state.lang:
            return False
        return _sized(state, text("size")) and _sure(state, text("sure"))

    def _named(self, state: LabelState) -> bool:
        spellings = (state.theme.lower(), *pinyin_of(state.name))
        return self.key in state.key or state.id in self.spelt or any(self.wanted in text for text in spellings)


def _sized(state: LabelState, size: str) -> bool:
    low, high = BOUNDS.get(size, (0, None))
    return state.prompts >= low and (high is None or state.prompts < high)


def _sure(state: LabelState, sure: str) -> bool:
    if sure in SURENESS:
        low, high = SURENESS[sure]
        return state.confidence is not None and low <= state.confidence < high
    return sure != "none" or state.confidence is None


@lru_cache(maxsize=5000)
def pinyin_of(name: str) -> tuple[str, str]:
    """How a Chinese name sounds, whole and by initials; other signs stay as they are."""
    from pypinyin import lazy_pinyin  # its tables take a while to load, and only a search needs them

    parts = lazy_pinyin(name.lower())
    return "".join(parts).replace(" ", ""), "".join(part[:1] for part in parts)


def _ids_of(filters: LabelFilter, merge_map: MergeMap | None) -> Collection[int] | None:
    """The labels that the facets leave which only the database can answer; None where none of them is asked."""
    found: list[set[int]] = []
    if filters.kept["corpus"]:
        links = PromptIntent.objects.filter(prompt__corpus=filters.kept["corpus"])
        found.append(set(links.values_list("label", flat=True).distinct()))
    if filters.text("who"):
        found.append(_decided_by(filters.text("who"), merge_map))
    if filters.kept["since"]:
        found.append(_changed_since(filters.kept["since"], merge_map))
    return set.intersection(*found) if found else None


def _decided_by(who: str, merge_map: MergeMap | None) -> set[int]:
    entries = targets(merge_map)
    if who in (RULE, NOBODY):
        by = DecidedBy.RULE if who == RULE else DecidedBy.NOBODY
        return {pk for pk, entry in entries.items() if entry.by == by}
    changes = LabelChange.objects.filter(Q(entry__merge_map=merge_map, operation__actor__username=who))
    return set(changes.values_list("entry__label", flat=True))


def _changed_since(version: int, merge_map: MergeMap | None) -> set[int]:
    before = targets(MergeMap.objects.filter(version=version).first())
    now = targets(merge_map)
    return {pk for pk, entry in now.items() if entry.target != before.get(pk, Entry()).target}
