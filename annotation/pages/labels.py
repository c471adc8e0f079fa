"""The labels of the merge page with what is decided and suggested about them, in the order of the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _

from annotation.labelling import labels_to_merge
from annotation.merge.states import DROP
from annotation.models import Category, MapEntry, MergeMap
from annotation.selectors import map_draft, side, suggestions_usable

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse


@dataclass(frozen=True, slots=True)
class NotUsed:
    """The suggestion that a label is no safety label, where a template expects a category."""

    code: str = DROP
    colour: str = "none"
    definition: str = ""

    @property
    def name(self) -> str:
        return _("Not used")


class Entry(NamedTuple):
    """What a map says about a label, as `LabelState` has it."""

    target: str = ""
    by: str = ""
    revision: int = 0
    theme: str = ""
    flagged: bool = False
    second: str = ""


@dataclass(frozen=True, slots=True)
class LabelState:
    """One label. `target` and `suggested` are a category code, DROP, or "" for undecided and for no suggestion.

    `revision` is that of its entry, which goes on when a draft is opened as a copy; 0 where there is none yet.
    """

    id: int
    key: str
    name: str
    lang: str
    prompts: int
    target: str
    by: str
    revision: int
    suggested: str
    confidence: float | None
    theme: str = ""
    flagged: bool = False
    second: str = ""

    @property
    def undecided(self) -> bool:
        return not self.by

    @property
    def disputed(self) -> bool:
        """For the lead to look at: two people disagree, or somebody flagged it."""
        return self.flagged or self.second == MapEntry.Second.CONFLICT

    @property
    def differs(self) -> bool:
        """Decided against its suggestion."""
        return bool(self.target and self.suggested and self.target != self.suggested)

    @property
    def order(self) -> tuple[bool, float, int, int]:
        """Undecided first, then by the prompts that accepting the suggestion is expected to settle."""
        return (not self.undecided, -self.prompts * (self.confidence or 0.0), -self.prompts, self.id)

    @property
    def code(self) -> str:
        """The category that the list shows it with: the decided one, else the suggested one."""
        return self.target or self.suggested

    @property
    def mark(self) -> str:
        """The label at the revision that is shown, as forms send it back."""
        return f"{self.id}:{self.revision}"


def map_shown() -> MergeMap | None:
    """The draft; without one the newest version, whose copy the first decision opens."""
    return map_draft() or MergeMap.objects.order_by("-version").first()


def targets(merge_map: MergeMap | None, ids: Collection[int] | None = None) -> dict[int, Entry]:
    """Label id → what a map says about it; `ids`: about these labels only."""
    rows = MapEntry.objects.filter(merge_map=merge_map, **_only("label", ids)).values_list(
        "label", "category__code", "dropped", "decided_by", "revision", "theme", "flagged", "second"
    )
    return {
        pk: Entry(DROP if dropped else code or "", by, revision, theme, flagged, second)
        for pk, code, dropped, by, revision, theme, flagged, second in rows
    }


def suggestions(ids: Collection[int] | None = None) -> dict[int, tuple[str, float]]:
    """Label id → code (or DROP) and confidence of its newest usable suggestion; `ids`: of these labels only."""
    rows = suggestions_usable().filter(**_only("label", ids))
    found = rows.values_list("label", "category__code", "confidence")
    return {label_id: (code or DROP, confidence) for label_id, code, confidence in found}


def _only(name: str, ids: Collection[int] | None) -> dict[str, list[int]]:
    return {} if ids is None else {f"{name}__in": list(ids)}


def label_states(merge_map: MergeMap | None, use: LabelUse, ids: Collection[int] | None = None) -> list[LabelState]:
    """Every label that the map has to say something about (of `ids`, if given), in the order of the work."""
    decided, suggested = targets(merge_map, ids), suggestions(ids)
    labels = labels_to_merge(merge_map).filter(**_only("id", ids)).values_list("id", "key", "name", "language")
    states = []
    for pk, key, name, language in labels:
        code, confidence = suggested.get(pk, ("", None))
        said = decided.get(pk, Entry())._asdict()
        states.append(
            LabelState(
                id=pk,
                key=key,
                name=name,
                lang=side(language),
                prompts=use.counts.get(pk, 0),
                suggested=code,
                confidence=confidence,
                **said,
            )
        )
    return sorted(states, key=lambda state: state.order)


def next_label(listed: Sequence[LabelState], decided: Iterable[int]) -> int | None:
    """The label to go on with after these: the next undecided one below the first of them, else from the top."""
    done = set(decided)
    places = [place for place, state in enumerate(listed) if state.id in done]
    after = places[0] if places else 0
    around = [state for state in (*listed[after:], *listed[:after]) if state.id not in done]
    return next((state.id for state in around if state.undecided), around[0].id if around else None)


def category_of(target: str, categories: Mapping[str, Category]) -> Category | str | None:
    """A target as templates show it."""
    return target if target == DROP else categories.get(target)


def suggestion_of(code: str, categories: Mapping[str, Category]) -> Category | NotUsed | None:
    """A suggested code as templates show it."""
    return NotUsed() if code == DROP else categories.get(code)
