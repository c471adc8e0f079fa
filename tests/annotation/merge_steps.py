"""What the tests of merging by several people share: a draft over a few labels, and steps by name."""

from __future__ import annotations

from annotation.merge.deciding import labels_decide
from annotation.merge.operations import Codes
from annotation.merge.states import Decision, EntryState
from annotation.models import LabelChange, LabelOperation, MapEntry, MergeMap
from madsafe_web.core.models import User
from tests.factories import make_label, make_map, make_prompts, make_run, make_suggestion

NAMES = ("one", "two", "three", "four")


def draft_of(names: tuple[str, ...] = NAMES, doubtful: tuple[str, ...] = ()) -> MergeMap:
    """A draft over labels of one prompt each; the suggestions of the doubtful ones are unsure."""
    run = make_run()
    for name, prompt in zip(names, make_prompts(len(names)), strict=True):
        make_suggestion(make_label(name, [prompt], run), "OFF", 0.3 if name in doubtful else 0.9)
    return make_map()


def entry(draft: MergeMap, name: str) -> MapEntry:
    return draft.entries.select_related("label").get(label__name=name)


def seen(draft: MergeMap, *names: str) -> dict[int, int]:
    return {one.label_id: one.revision for one in (entry(draft, name) for name in names)}


def decide(draft: MergeMap, user: User | None, target: str, *names: str) -> LabelOperation:
    return labels_decide(user=user, seen=seen(draft, *names), decision=Decision(target))


def state(draft: MergeMap, name: str) -> EntryState:
    return EntryState.of(entry(draft, name), Codes.of(draft).code_of)


def standing(draft: MergeMap, name: str) -> tuple[str, str]:
    """Target and second of a label."""
    found = state(draft, name)
    return found.target, found.second


def replayed(draft: MergeMap) -> dict[int, tuple[EntryState, int]]:
    """Label id → state and revision that the history alone leads to; a change that does not follow fails the test."""
    found = {one.label_id: (EntryState(), 0) for one in draft.entries.all()}
    for change in LabelChange.objects.filter(entry__merge_map=draft).select_related("entry").order_by("id"):
        before, revision = found[change.entry.label_id]
        assert (EntryState.read(change.before), change.revision) == (before, revision + 1)
        found[change.entry.label_id] = (EntryState.read(change.after), change.revision)
    return found


def as_stored(draft: MergeMap) -> dict[int, tuple[EntryState, int]]:
    codes = Codes.of(draft)
    return {one.label_id: (EntryState.of(one, codes.code_of), one.revision) for one in draft.entries.all()}
