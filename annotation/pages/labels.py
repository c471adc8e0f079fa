"""All labels of the merge page with what is decided and suggested about them, in the order of the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.forms import LabelFilter
from annotation.label_use import LabelUse
from annotation.labelling import labels_to_merge
from annotation.merge.states import DROP
from annotation.models import Category, DecidedBy, MapEntry, MergeMap
from annotation.selectors import map_draft, side, suggestions_usable
from madsafe_web.core.llm.parse import label_key


@dataclass(frozen=True, slots=True)
class NotUsed:
    """The suggestion that a label is no safety label, where a template expects a category."""

    code: str = DROP
    colour: str = "none"
    definition: str = ""

    @property
    def name(self) -> str:
        return _("Not used")


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

    @property
    def undecided(self) -> bool:
        return not self.by

    @property
    def differs(self) -> bool:
        """Decided against its suggestion."""
        return bool(self.target and self.suggested and self.target != self.suggested)

    @property
    def order(self) -> tuple[bool, float, int, int]:
        """Undecided first, then by the prompts that accepting the suggestion is expected to settle."""
        return (not self.undecided, -self.prompts * (self.confidence or 0.0), -self.prompts, self.id)

    def fits(self, filters: LabelFilter) -> bool:
        wanted, code = label_key(filters.text("q")), filters.text("category")
        in_view = {"undecided": self.undecided, "decided": not self.undecided, "differs": self.differs, "all": True}
        return in_view[filters.view_name] and wanted in self.key and (not code or code == self.code)

    @property
    def code(self) -> str:
        """The category that the list shows it with: the decided one, else the suggested one."""
        return self.target or self.suggested


def map_shown() -> MergeMap | None:
    """The draft; without one the newest version, whose copy the first decision opens."""
    return map_draft() or MergeMap.objects.order_by("-version").first()


def targets(merge_map: MergeMap | None) -> dict[int, tuple[str, str, int]]:
    """Label id → target, by whom, revision, for every entry of a map."""
    rows = MapEntry.objects.filter(merge_map=merge_map).values_list(
        "label", "category__code", "dropped", "decided_by", "revision"
    )
    return {pk: (DROP if dropped else code or "", by, revision) for pk, code, dropped, by, revision in rows}


def suggestions() -> dict[int, tuple[str, float]]:
    """Label id → code (or DROP) and confidence of its newest suggestion that can be taken."""
    rows = suggestions_usable().values_list("label", "category__code", "confidence")
    return {label_id: (code or DROP, confidence) for label_id, code, confidence in rows}


def label_states(merge_map: MergeMap | None, use: LabelUse) -> list[LabelState]:
    """Every label that the map has to say something about, in the order of the work."""
    decided, suggested = targets(merge_map), suggestions()
    states = []
    for pk, key, name, language in labels_to_merge(merge_map).values_list("id", "key", "name", "language"):
        target, by, revision = decided.get(pk, ("", DecidedBy.NOBODY, 0))
        code, confidence = suggested.get(pk, ("", None))
        states.append(
            LabelState(
                id=pk,
                key=key,
                name=name,
                lang=side(language),
                prompts=use.counts.get(pk, 0),
                target=target,
                by=by,
                revision=revision,
                suggested=code,
                confidence=confidence,
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


def suggestion_of(state: LabelState, categories: Mapping[str, Category]) -> Category | NotUsed | None:
    return NotUsed() if state.suggested == DROP else categories.get(state.suggested)
