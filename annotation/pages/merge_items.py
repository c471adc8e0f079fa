"""The middle of the merge page: proposals, or labels one by one, as the templates read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from annotation.forms import EVIDENCE
from annotation.merge.states import DROP
from annotation.models import Category, DecidedBy
from annotation.pages.labels import LabelState, NotUsed, category_of, suggestion_of
from madsafe_web.core.method import Text

if TYPE_CHECKING:
    from annotation.merge.proposals import Proposal
    from annotation.pages.merge_conflicts import Given

SURE = 0.9  # from this confidence on a suggestion is strong evidence
Categories = Mapping[str, Category]


@dataclass(frozen=True, slots=True)
class Mark:
    """Evidence about a label: a letter for the list, a sentence for the side."""

    letter: str
    text: Text
    strong: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A label in the list."""

    id: int
    mark: str  # id and revision
    name: str
    theme: str
    lang: str
    prompts: int
    category: Category | str | None
    suggestion: Category | NotUsed | None
    confidence: float | None
    evidence: list[Mark]
    differs: bool
    flagged: bool
    undecided: bool
    ticked: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the list: a proposal with its labels, or one label. `id` is its first label's."""

    id: int
    name: str
    lang: str
    prompts: int
    category: Category | str | None
    suggestion: Category | NotUsed | None
    confidence: float | None
    evidence: list[Mark]
    rows: list[Row]
    given: tuple[Given, ...] = ()  # answers on which people disagree

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def ticked(self) -> list[str]:
        """The labels that a decision about the whole is about, as forms send them."""
        return [row.mark for row in self.rows if row.ticked]

    @property
    def rest(self) -> list[str]:
        return [row.mark for row in self.rows if not row.ticked]

    @property
    def undecided(self) -> bool:
        return any(row.undecided for row in self.rows)


def evidence_key() -> list[dict[str, str]]:
    """What the letters of the marks mean."""
    learned = [{"letter": letter, "name": str(name)} for letter, name in EVIDENCE.items()]
    decided = [
        {"letter": "R", "name": _("decided by rule")},
        {"letter": "P", "name": _("decided by a person")},
    ]
    return [*learned, *decided]


def marks(state: LabelState) -> list[Mark]:
    """What speaks for the category that a label is shown with."""
    found = []
    if state.confidence is not None:
        text = _("A model suggests %(code)s with confidence %(confidence).2f.")
        what = {"code": state.suggested, "confidence": state.confidence}
        found.append(Mark("D", text % what, state.confidence >= SURE))
    if state.by == DecidedBy.RULE:
        found.append(Mark("R", _("It was decided by rule, no person has looked at it."), False))
    if state.by == DecidedBy.PERSON:
        found.append(Mark("P", _("A person decided about it."), True))
    return found


def lettered(letters: str, strong: bool) -> list[Mark]:
    """The evidence of a whole proposal."""
    return [Mark(letter, EVIDENCE[letter], strong) for letter in letters]


def row_of(
    state: LabelState, categories: Categories, ticked: bool = True, letters: str = "", differs: bool = False
) -> Row:
    """One label; `letters`: the evidence of the proposal it stands in."""
    return Row(
        id=state.id,
        mark=state.mark,
        name=state.name,
        theme=state.theme,
        lang=state.lang,
        prompts=state.prompts,
        category=category_of(state.target, categories),
        suggestion=suggestion_of(state.suggested, categories),
        confidence=state.confidence,
        evidence=lettered(letters, False) if letters else marks(state),
        differs=differs or state.differs,
        flagged=state.flagged,
        undecided=state.undecided,
        ticked=ticked,
    )


def single(state: LabelState, categories: Categories) -> Item:
    """A label that stands for itself."""
    return together([state], categories, state.prompts)


def together(states: Sequence[LabelState], categories: Categories, prompts: int, ticked: bool = True) -> Item:
    """Labels in one line, with the suggestion and the decision of the first."""
    first = states[0]
    return Item(
        id=first.id,
        name=first.theme or first.name,
        lang=first.lang,
        prompts=prompts,
        category=category_of(first.target, categories),
        suggestion=suggestion_of(first.suggested, categories),
        confidence=first.confidence,
        evidence=marks(first),
        rows=[row_of(state, categories, ticked or len(states) == 1) for state in states],
    )


def proposed(proposal: Proposal, states: Mapping[int, LabelState], categories: Categories) -> Item:
    """A proposal; its labels must all be in `states`."""
    first = states[proposal.labels[0]]
    members = [(states[one.label], one) for one in proposal.members]
    alone = len(members) == 1
    return Item(
        id=first.id,
        name=first.theme or first.name,
        lang=first.lang,
        prompts=proposal.prompts,
        category=None,
        suggestion=suggestion_of(proposal.target, categories),
        confidence=proposal.confidence if proposal.target else None,
        evidence=lettered(proposal.letters, proposal.confidence >= SURE),
        rows=[
            row_of(state, categories, alone or not one.differs, _letters(one.reasons), one.differs)
            for state, one in members
        ],
    )


def _letters(reasons: Sequence[object]) -> str:
    return "".join(sorted({str(getattr(reason, "letter", "")) for reason in reasons}))


def reasons_of(proposal: Proposal, label: int, names: Mapping[int, str]) -> list[Mark]:
    """Why a label stands in a proposal, in sentences; `names` of the labels that the reasons name."""
    member = next(one for one in proposal.members if one.label == label)
    words = {
        "A": _("It has the same name as “%(other)s” apart from its spelling."),
        "B": _("Its name is like “%(other)s”."),
        "C": _("Its prompts are like those of “%(other)s”."),
        "D": _("A model suggests %(code)s with confidence %(weight).2f."),
        "E": _("Labels like it, “%(other)s” above all, were put into %(code)s."),
    }
    found = []
    for reason in member.reasons:
        code = _("Not used") if reason.target == DROP else reason.target
        told = {"other": names.get(reason.other or 0, "?"), "code": code, "weight": reason.weight}
        found.append(Mark(reason.letter, words[reason.letter] % told, reason.weight >= SURE))
    return found
