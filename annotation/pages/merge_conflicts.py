"""What people answered about a label on which they disagree, for the lines of the merge page and for its side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from annotation.merge.conflicts import Said, conflicts
from annotation.models import Category, LabelOpinion, MapEntry
from annotation.pages.labels import LabelState, category_of, map_shown
from annotation.pages.merge_items import Item
from madsafe_web.core.models import User


@dataclass(frozen=True, slots=True)
class Given:
    """One answer and who gave it. `target`: category code, DROP or "" for undecided."""

    target: str
    category: Category | str | None
    people: tuple[str, ...]


def given(user: User, categories: Mapping[str, Category]) -> dict[int, tuple[Given, ...]]:
    """Label id → the answers that this reader may see, for the labels of the draft on which people disagree."""
    return {one.id: _given(one.answers, categories) for one in conflicts(user) if one.answers}


def answer_kept(user: User, state: LabelState | None, categories: Mapping[str, Category]) -> Given | None:
    """What this reader answered about a label that waits for a second person."""
    if state is None or state.second != MapEntry.Second.WAITING:
        return None
    own = LabelOpinion.objects.filter(entry__label=state.id, entry__merge_map=map_shown(), person=user, standing=True)
    target = own.values_list("target", flat=True).first()
    return None if target is None else Given(target, category_of(target, categories), (user.username,))


def _given(answers: Sequence[Said], categories: Mapping[str, Category]) -> tuple[Given, ...]:
    people: dict[str, list[str]] = {}
    for said in answers:
        people.setdefault(said.text, []).append(said.person)
    return tuple(Given(target, category_of(target, categories), tuple(names)) for target, names in people.items())


def with_given(items: Sequence[Item], found: Mapping[int, tuple[Given, ...]]) -> list[Item]:
    """Lines of the list with what people answered about them."""
    return [replace(item, given=found.get(item.id, ())) for item in items]
