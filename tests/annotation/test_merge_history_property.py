"""Whatever several people do, undo, redo and revert: the history alone leads to exactly what stands."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation import label_use
from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_flag, labels_refuse, labels_theme, step_redo, step_undo
from annotation.merge.operations import operation_undo
from annotation.merge.reverting import operations_revert
from annotation.merge.states import EntryState, StaleDecision
from annotation.models import LabelOperation, MergeMap
from annotation.pages.label_history import tips_of
from madsafe_web.core.models import User
from tests.annotation.merge_steps import NAMES, as_stored, decide, draft_of, entry, replayed, seen
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PEOPLE = ("first", "second", "the lead")
MORE_THAN_ANY = 1000  # prompts of a label: only the doubtful ones need two people
LEAD = User.Role.LEAD
LABELS = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).map(sorted)
WHO = st.sampled_from(PEOPLE)
STEP = st.one_of(
    st.tuples(st.just("decide"), WHO, LABELS, st.sampled_from(("CIA", "EM", "DROP", ""))),
    st.tuples(st.just("theme"), WHO, LABELS, st.sampled_from(("a name", ""))),
    st.tuples(st.just("flag"), WHO, LABELS, st.booleans()),
    st.tuples(st.just("refuse"), WHO, LABELS, st.none()),
    st.tuples(st.just("undo"), WHO, st.none(), st.none()),
    st.tuples(st.just("redo"), WHO, st.none(), st.none()),
    st.tuples(st.just("revert"), st.just("the lead"), st.none(), WHO),
)


def act(draft: MergeMap, people: dict[str, User], step: Any) -> list[str]:
    """Take one step; gives the labels that a revert left since others changed them."""
    verb, who, names, value = step
    user = people[who]
    match verb:
        case "decide":
            decide(draft, user, value, *names)
        case "theme":
            labels_theme(user=user, seen=seen(draft, *names), theme=value)
        case "flag":
            labels_flag(user=user, seen=seen(draft, *names), flagged=value)
        case "refuse":
            labels_refuse(user=user, together=[entry(draft, name).label_id for name in names])
        case "undo" | "redo":
            {"undo": step_undo, "redo": step_redo}[verb](user=user, draft=draft)
        case "revert":
            day, now = timedelta(days=1), timezone.now()
            return operations_revert(
                draft=draft, user=user, person=people[value], since=now - day, until=now + day
            ).left
    return []


def undo_everything(draft: MergeMap) -> None:
    """Every step that stands, that which was done or done again last first."""
    steps = list(draft.operations.filter(kind="do").exclude(verb="revert").select_related("actor"))
    actor_of = {tip.pk: step.actor for step in steps if (tip := tips_of([step])[step.pk]).kind != "undo"}
    for pk in sorted(actor_of, reverse=True):
        actor = actor_of[pk]
        assert actor is not None
        operation_undo(operation=LabelOperation.objects.get(pk=pk), user=actor)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEP, max_size=14))
def test_the_history_replays_to_what_stands_and_can_be_taken_back(steps: list[Any]) -> None:
    label_use.forget()
    with transaction.atomic():
        people = {name: make_user(name, LEAD if name == "the lead" else User.Role.ANNOTATOR) for name in PEOPLE}
        policy_set(user=people["the lead"], two_people=True, prompts_from=MORE_THAN_ANY, confidence_below=0.6)
        draft = draft_of(doubtful=("one", "two"))
        left: list[str] = []
        for step in steps:
            before = as_stored(draft)
            with suppress(StaleDecision):
                left += act(draft, people, step)
                before = as_stored(draft)
            assert as_stored(draft) == before == replayed(draft)
        undo_everything(draft)
        # What a revert left to others stays for good: its step counts as taken back.
        assert left or {state for state, _revision in as_stored(draft).values()} == {EntryState()}
        assert as_stored(draft) == replayed(draft)
        transaction.set_rollback(True)
