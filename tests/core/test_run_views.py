"""The pages of runs: who may see and do what, and what they show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from madsafe_web.core.models import AuditEvent, Chunk, Run, RunRow
from madsafe_web.core.runs import pages, service
from tests.factories import Person, make_run
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
S = Run.State
LIST_QUERIES = 8  # session, user, count, rows, sums of the rows, review badge, workers, steps of the method


def made(state: str = S.RUNNING, chunks: int = 2, **values: Any) -> Run:
    """A run of `chunks` parts of ten rows; the first part is done: 7 kept, 1 duplicate, 2 failed."""
    run = make_run(state=state, total=10 * chunks, **values)
    counts = {"read": 10, "kept": 7, "duplicate": 1, "failed": 2}
    done = Chunk(run=run, seq=0, subjects=[str(n) for n in range(10)], state=Chunk.State.DONE, **counts)
    rest = [Chunk(run=run, seq=seq, subjects=[str(n) for n in range(10)]) for seq in range(1, chunks)]
    Chunk.objects.bulk_create([done, *rest])
    return run


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).state


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead", "admin"])
def test_every_role_sees_the_runs(role: str, request: pytest.FixtureRequest) -> None:
    run = made()
    person: Person = request.getfixturevalue(role)
    for path in ("/runs/", f"/runs/{run.pk}/", f"/runs/{run.pk}/progress/"):
        assert person.get(path).status_code == 200


def test_somebody_not_signed_in_is_sent_to_sign_in() -> None:
    run = made()
    for path in ("/runs/", f"/runs/{run.pk}/", f"/runs/{run.pk}/progress/"):
        answer = Client().get(path)
        assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/runs/99/", "/runs/99/progress/"])
def test_a_run_that_does_not_exist_is_not_found(lead: Person, path: str) -> None:
    assert lead.get(path).status_code == 404


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_only_a_lead_may_change_a_run(annotator: Person, verb: str) -> None:
    run = made()
    assert annotator.post(f"/runs/{run.pk}/{verb}/").status_code == 403
    assert state(run) == S.RUNNING


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_get_changes_nothing(lead: Person, verb: str) -> None:
    run = made()
    assert lead.get(f"/runs/{run.pk}/{verb}/").status_code == 405
    assert state(run) == S.RUNNING


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_changing_a_run_that_does_not_exist_is_not_found(lead: Person, verb: str) -> None:
    assert lead.post(f"/runs/99/{verb}/").status_code == 404


def test_pausing_rests_a_run_that_nobody_works_on(lead: Person) -> None:
    run = made()
    assert lead.post(f"/runs/{run.pk}/pause/").status_code == 302
    assert state(run) == S.PAUSED
    assert AuditEvent.objects.get().verb == "run.pause"


def test_pausing_a_finished_run_says_that_there_is_nothing_to_pause(lead: Person) -> None:
    run = made(S.DONE)
    answer = lead.post(f"/runs/{run.pk}/pause/", follow=True)
    assert state(run) == S.DONE
    assert "nothing to pause" in answer.content.decode()


def test_resuming_queues_a_paused_run_and_notes_who_did_it(lead: Person) -> None:
    run = made(S.PAUSED)
    lead.post(f"/runs/{run.pk}/resume/")
    assert state(run) == S.QUEUED
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor) == ("run.resume", lead.user)


def test_resuming_rings_for_a_worker(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr("madsafe_web.core.runs.tasks.enqueue", lambda run: rung.append(run.pk))
    run = made(S.FAILED)
    lead.post(f"/runs/{run.pk}/resume/")
    assert rung == [run.pk]


def test_resuming_a_cancelled_run_leaves_it_cancelled(lead: Person) -> None:
    run = made(S.CANCELLED)
    lead.post(f"/runs/{run.pk}/resume/")
    assert state(run) == S.CANCELLED and not AuditEvent.objects.exists()


def test_cancelling_ends_a_run_for_good(lead: Person) -> None:
    run = made()
    lead.post(f"/runs/{run.pk}/cancel/")
    assert state(run) == S.CANCELLED


def test_starting_a_stage_makes_and_queues_a_run_with_its_defaults(lead: Person) -> None:
    answer = lead.post("/runs/start/", {"stage": "deduplicate"})
    run = Run.objects.get()
    assert (run.stage, run.state, run.actor) == ("deduplicate", S.QUEUED, lead.user)
    assert answer["Location"] == f"/runs/{run.pk}/"


@pytest.mark.parametrize("stage", ["", "nothing", "train", "import"])
def test_a_stage_that_cannot_be_started_like_this_makes_no_run(lead: Person, stage: str) -> None:
    lead.post("/runs/start/", {"stage": stage})
    assert not Run.objects.exists()


def test_an_annotator_may_not_start_a_stage(annotator: Person) -> None:
    assert annotator.post("/runs/start/", {"stage": "deduplicate"}).status_code == 403
    assert not Run.objects.exists()


def test_a_stage_that_cannot_be_planned_says_why_on_its_page(lead: Person) -> None:
    answer = lead.post("/runs/start/", {"stage": "evaluate"}, follow=True)
    run = Run.objects.get()
    assert run.state == S.FAILED and run.error
    assert answer.context["run"].notice.what in run.error
    assert [event.verb for event in AuditEvent.objects.all()] == ["run.create"]


@pytest.mark.parametrize("ended", [S.DONE, S.FAILED, S.CANCELLED, S.PAUSED])
def test_the_fragment_of_a_run_that_rests_ends_the_polling(lead: Person, ended: str) -> None:
    answer = lead.get(f"/runs/{made(ended).pk}/progress/")
    assert answer.status_code == 286
    assert "hx-trigger" not in answer.content.decode()


def test_the_fragment_of_a_run_in_work_is_only_a_part_and_asks_again(lead: Person) -> None:
    text = lead.get(f"/runs/{made().pk}/progress/").content.decode()
    assert 'hx-trigger="every 3s"' in text
    assert "<html" not in text


def test_the_page_shows_the_buttons_that_fit_the_state(lead: Person, annotator: Person) -> None:
    run = made()
    text = lead.get(f"/runs/{run.pk}/").content.decode()
    assert "run-pause" in text and "run-cancel" in text and "run-resume" not in text
    assert "run-pause" not in annotator.get(f"/runs/{run.pk}/").content.decode()


def test_an_error_is_shown_as_what_happened_and_what_to_do(lead: Person) -> None:
    run = made(S.FAILED, error="The disk is full. 10 rows are kept. Free some space, then resume.")
    shown = lead.get(f"/runs/{run.pk}/").context["run"]
    assert shown.notice == pages.Notice("The disk is full.", "10 rows are kept. Free some space, then resume.")


def test_errors_are_counted_by_class_with_their_last_message(lead: Person) -> None:
    run = made()
    rows = [("1", "unparsed", "", "first"), ("2", "error", "Timeout", "slow"), ("3", "unparsed", "", "last")]
    rows += [("4", "done", "", ""), ("5", "duplicate", "", "same")]
    for subject, outcome, kind, message in rows:
        RunRow.objects.create(run=run, subject=subject, outcome=outcome, error_class=kind, message=message)
    errors = lead.get(f"/runs/{run.pk}/").context["errors"]
    found = [(one.kind, one.count, one.last_message) for one in errors]
    assert found == [("unparsed", 2, "last"), ("Timeout", 1, "slow")]


def test_the_line_of_the_log_that_tells_the_failure_is_marked(lead: Person) -> None:
    run = made(S.FAILED, error="It broke.")
    service.log(run, "Queued.")
    service.log(run, "It broke.")
    log = lead.get(f"/runs/{run.pk}/").context["log"]
    assert [(line.level, line.text) for line in log] == [("error", "It broke."), ("info", "Queued.")]


def test_hostile_text_in_a_message_is_escaped(lead: Person) -> None:
    run = made(S.FAILED, error="<script>x</script> came back.")
    assert "<script>x" not in lead.get(f"/runs/{run.pk}/").content.decode()


def test_chunks_are_drawn_one_cell_each(lead: Person) -> None:
    run = made(chunks=4)
    run.chunks.filter(seq=1).update(state=Chunk.State.LEASED)
    shown = lead.get(f"/runs/{run.pk}/").context["chunks"]
    assert (shown.cells, shown.size, shown.total) == (("d", "r", "o", "o"), 10, 4)


def test_a_chunk_that_was_begun_has_failed_where_its_run_did() -> None:
    run = made(S.FAILED)
    run.chunks.filter(seq=1).update(attempts=1)
    assert pages.chunks(run).cells == ("d", "e")


def test_many_chunks_share_cells_and_what_needs_attention_wins() -> None:
    marks = ["d"] * 1000
    marks[3], marks[500], marks[999] = "r", "o", "e"
    cells = pages.cells(marks)
    assert len(cells) == 334
    assert (cells[0], cells[1], cells[166], cells[333]) == ("d", "r", "o", "e")


def test_no_chunks_make_no_cells() -> None:
    assert pages.cells([]) == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (61, "1 min 1 s"), (5000, "1 h 23 min"), (90000, "1 d 1 h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert pages.duration(timedelta(seconds=seconds)) == text


def test_the_list_shows_counts_and_can_be_filtered(lead: Person) -> None:
    made(stage="label"), made(S.DONE, stage="train")
    lines = lead.get("/runs/", {"stage": "label"}).context["runs"]
    assert [(line.name.split()[0], line.done, line.total, line.kept, line.failed) for line in lines] == [
        ("Label", 10, 20, 7, 2)
    ]
    assert [line.state for line in lead.get("/runs/", {"state": "done"}).context["runs"]] == ["done"]


def test_a_filter_that_does_not_exist_filters_nothing(lead: Person) -> None:
    made()
    assert len(lead.get("/runs/", {"stage": "no", "state": "no", "before": "x"}).context["runs"]) == 1


def test_the_list_goes_on_by_key_and_keeps_its_filter(lead: Person) -> None:
    Run.objects.bulk_create([Run(stage="label", state=S.DONE, actor_name="x") for _ in range(120)])
    make_run("train")
    first = lead.get("/runs/?stage=label")
    seen = [line.id for line in first.context["runs"]]
    second = lead.get(f"/runs/?{first.context['pager'].next}")
    seen += [line.id for line in second.context["runs"]]
    third = lead.get(f"/runs/?{second.context['pager'].next}")
    seen += [line.id for line in third.context["runs"]]
    assert len(seen) == len(set(seen)) == 120 and seen == sorted(seen, reverse=True)
    assert (first.context["pager"].previous, third.context["pager"].next) == ("", "")
    assert first.context["pager"].total == 120
    back = lead.get(f"/runs/?{second.context['pager'].previous}").context
    assert [line.id for line in back["runs"]] == seen[:50] and back["pager"].previous == ""


@pytest.mark.parametrize("count", [1, 40])
def test_the_list_costs_the_same_queries_whatever_its_length(
    reviewer: Person, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        made(S.DONE)
    with django_assert_num_queries(LIST_QUERIES):
        reviewer.get("/runs/")


@pytest.mark.parametrize("chunks", [1, 1000])
def test_the_page_of_a_run_costs_the_same_queries_whatever_its_size(
    reviewer: Person, chunks: int, django_assert_max_num_queries: Any
) -> None:
    run = made(S.RUNNING, chunks=chunks)
    with django_assert_max_num_queries(11):
        reviewer.get(f"/runs/{run.pk}/")
    with django_assert_max_num_queries(9):
        reviewer.get(f"/runs/{run.pk}/progress/")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", "b"], "a, b"),
        ({"perplexity": 11}, "perplexity 11"),
        ([{"path": "x"}], '[{"path":"x"}]'),
        ([], "–"),
        (None, "–"),
        (0, "0"),
        (False, "False"),
    ],
)
def test_a_parameter_is_shown_in_words(value: Any, text: str) -> None:
    assert pages.value_text(value) == text


def failed_rows(run: Run) -> None:
    RunRow.objects.create(run=run, subject="7", outcome="error", error_class="timeout", message="no answer in 60 s")
    RunRow.objects.create(run=run, subject="8", outcome="unparsed", message="<b>no number</b>")


def test_the_failed_rows_are_listed_with_their_prompt_and_inert_message(annotator: Person) -> None:
    run = made(S.DONE, stage="label")
    failed_rows(run)
    page = annotator.get(f"/runs/{run.pk}/failed/").content.decode()
    assert 'href="/prompts/7/"' in page and "no answer in 60 s" in page
    assert "&lt;b&gt;no number&lt;/b&gt;" in page and "<b>no number" not in page


def test_the_failed_rows_are_shown_by_class(annotator: Person) -> None:
    run = made(S.DONE)
    failed_rows(run)
    page = annotator.get(f"/runs/{run.pk}/failed/?kind=timeout").content.decode()
    assert "no answer in 60 s" in page and "no number" not in page


def test_a_lead_asks_one_class_again_from_the_page(lead: Person) -> None:
    run = made(S.DONE)
    failed_rows(run)
    answer = lead.post(f"/runs/{run.pk}/retry/", {"kind": "timeout"}, follow=True)
    assert "1 failed row is asked again." in answer.content.decode()
    assert state(run) == S.QUEUED
    assert list(run.rows.values_list("subject", flat=True)) == ["8"]


def test_a_class_that_cannot_be_one_asks_no_row_again(lead: Person) -> None:
    run = made(S.DONE)
    failed_rows(run)
    answer = lead.post(f"/runs/{run.pk}/retry/", {"kind": "timeout" * 10}, follow=True)
    assert "There is no failed row to ask again" in answer.content.decode()
    assert state(run) == S.DONE


def test_retrying_a_run_without_failed_rows_says_so(lead: Person) -> None:
    run = made(S.DONE)
    answer = lead.post(f"/runs/{run.pk}/retry/", follow=True)
    assert "There is no failed row to ask again" in answer.content.decode()
    assert state(run) == S.DONE


def test_sixty_failed_rows_cost_as_many_queries_as_three(annotator: Person) -> None:
    run = made(S.DONE)
    path, counts = f"/runs/{run.pk}/failed/", []
    for first, last in ((0, 3), (3, 60)):
        RunRow.objects.bulk_create(
            RunRow(run=run, subject=str(n), outcome="unparsed", message="no number") for n in range(first, last)
        )
        counts.append(query_count(lambda: annotator.get(path)))
    assert counts[0] == counts[1]
