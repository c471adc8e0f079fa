"""Who looks at which label."""

from __future__ import annotations

import pytest
from django.utils import timezone

from annotation.merge.presence import SEEN_FOR, presence_note, presence_now
from annotation.models import LabelPresence
from tests.factories import make_label, make_user

pytestmark = pytest.mark.django_db


def test_others_are_told_where_a_person_looks() -> None:
    label, first = make_label("one"), make_user("first")
    presence_note(first, label)
    assert presence_now(make_user("second")) == [(label.pk, "first")]


def test_nobody_is_told_of_themselves() -> None:
    user = make_user()
    presence_note(user, make_label("one"))
    assert presence_now(user) == []


def test_only_the_newest_place_of_a_person_counts() -> None:
    user, other = make_user("first"), make_user("second")
    for name in ("one", "two"):
        presence_note(user, make_label(name))
    assert presence_now(other) == [(make_label("two").pk, "first")]


def test_who_was_not_seen_for_a_while_is_gone() -> None:
    user = make_user("first")
    presence_note(user, make_label("one"))
    LabelPresence.objects.update(seen=timezone.now() - SEEN_FOR)
    assert presence_now(make_user("second")) == []
