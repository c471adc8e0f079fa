"""The list of a run's failed rows: raw replies as inert text, for who may start runs, and reading them again."""

from __future__ import annotations

import pytest
from django.urls import reverse

from madsafe_web.core.models import Generation, Run
from tests.factories import Person, make_endpoint, make_run

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
TEXT = "<b>no number</b> " * 400


@pytest.fixture
def failed(db: None) -> Run:
    """A run with one row whose reply was not understood, and one that got none."""
    found = make_run()
    found.chunks.create(seq=0, subjects=["1", "2"], read=2, failed=2, state="done")
    found.rows.create(subject="1", outcome="unparsed", message="No number.")
    found.rows.create(subject="2", outcome="error", error_class="timeout", message="no answer")
    reply = Generation.objects.create(
        call_key="0" * 32,
        run=found,
        endpoint=make_endpoint("a judge"),
        text=TEXT,
        reasoning="thinking",
        finish="length",
    )
    found.trails.create(subject="1", reply=reply.call_key, again=2)
    return found


def page(person: Person, shown: Run) -> str:
    return person.get(reverse("runs:failed", args=[shown.pk])).content.decode()


def test_the_raw_reply_stands_with_its_row_as_inert_text(lead: Person, failed: Run) -> None:
    html = page(lead, failed)
    assert "&lt;b&gt;no number&lt;/b&gt;" in html and "<b>no number" not in html
    assert "a judge" in html and "thinking" in html and "asked anew 2 times" in html


def test_a_long_reply_is_cut_and_its_length_told(lead: Person, failed: Run) -> None:
    html = page(lead, failed)
    assert html.count("no number") < 400
    assert f"The beginning of {len(TEXT):,} characters." in html


@pytest.mark.parametrize("role", ["reviewer", "annotator"])
def test_who_may_start_no_runs_sees_no_replies(role: str, failed: Run, request: pytest.FixtureRequest) -> None:
    html = page(request.getfixturevalue(role), failed)
    assert "No number." in html and "no number" not in html


def test_the_button_queues_the_run(lead: Person, failed: Run) -> None:
    assert 'id="run-reread"' in page(lead, failed)
    answer = lead.post(reverse("runs:reread", args=[failed.pk]), follow=True)
    assert "The reply of 1 row is read again." in answer.content.decode()
    failed.refresh_from_db()
    assert failed.state == S.QUEUED


def test_without_a_reply_to_read_the_button_is_not_there_and_changes_nothing(lead: Person, failed: Run) -> None:
    failed.rows.filter(subject="1").update(outcome="error", error_class="timeout")
    assert 'id="run-reread"' not in page(lead, failed)
    answer = lead.post(reverse("runs:reread", args=[failed.pk]), follow=True)
    assert "There is no reply to read again" in answer.content.decode()


def test_a_run_that_is_not_at_its_end_says_why_it_is_not_read_again(lead: Person, failed: Run) -> None:
    failed.chunks.create(seq=1, subjects=["3"])
    Run.objects.filter(pk=failed.pk).update(state=S.PAUSED)
    answer = lead.post(reverse("runs:reread", args=[failed.pk]), follow=True)
    assert "has rows that were not asked yet" in answer.content.decode()
