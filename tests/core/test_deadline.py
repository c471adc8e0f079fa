"""The deadline of a run: behind it no call begins, the run waits for people, and goes on with a later one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.urls import reverse

from madsafe_web.core.models import AuditEvent, Run
from madsafe_web.core.runs import chain, deadline, service, usage, worker
from madsafe_web.core.runs.budget import Amount, Budget, Limits, PastDeadline
from madsafe_web.core.runs.drafts import run_cache, run_clone, run_deadline
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.retrying import run_retry
from madsafe_web.core.wording import is_known
from tests.core.test_budget import Clock, Reply
from tests.core.test_usage import Served, asking  # noqa: F401  # a stage of 20 rows and its endpoint
from tests.factories import Person, make_endpoint, make_run

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
PAST, FUTURE = timedelta(hours=-1), timedelta(hours=1)


def late(run: Run) -> Run:
    """The run, queued, with a deadline that has passed since."""
    assert service.run_start(run)
    Run.objects.filter(pk=run.pk).update(deadline=Now() + PAST)
    return run


def made() -> Run:
    make_endpoint()
    return service.run_create(stage_name="asking", values={})


def test_behind_the_deadline_no_call_begins_and_the_run_waits_for_people() -> None:
    run = worker.work_on(late(made()).pk)
    assert (run.state, Served.calls) == (S.NEEDS_PEOPLE, 0)
    assert run.error.startswith("The deadline of the run, ") and "then resume" in run.error


def test_a_run_whose_deadline_has_passed_is_not_resumed_without_a_later_one() -> None:
    run = worker.work_on(late(made()).pk)
    assert not service.run_start(run)
    run.refresh_from_db()
    assert (run.state, run.error.startswith("The deadline of the run, ")) == (S.NEEDS_PEOPLE, True)


@pytest.mark.parametrize("when", [FUTURE, None])
def test_with_a_later_deadline_or_none_it_goes_on(when: timedelta | None) -> None:
    run = worker.work_on(late(made()).pk)
    assert run_deadline(run=run, when=when, user=None)
    assert service.run_start(run)
    assert worker.work_on(run.pk).state == S.DONE


def test_what_was_done_before_the_deadline_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    run = made()
    run_deadline(run=run, when=FUTURE, user=None)

    class Slow(Served):
        async def complete(self, call: object) -> Reply:  # type: ignore[override]
            clock.now = 3601.0 if Served.calls == 4 else 0.0
            return await super().complete(call)  # type: ignore[arg-type]

    monkeypatch.setattr("madsafe_web.core.runs.rows.backend_for", lambda row: Slow())
    monkeypatch.setattr(usage, "Budget", lambda *given, **named: Budget(*given, clock=clock, **named))
    make_endpoint("one at a time", concurrency=1)
    Run.objects.filter(pk=run.pk).update(params={"endpoint": "one at a time", "rows": 20})
    service.run_start(run)
    run = worker.work_on(run.pk)
    assert (run.state, Served.calls, service.counts(run)["kept"]) == (S.NEEDS_PEOPLE, 5, 5)


def test_the_budget_refuses_calls_behind_the_deadline() -> None:
    clock = Clock()
    kept = Budget(Limits(), Amount(), clock=clock, left=10.0, late="too late")
    assert kept.reserve(Amount(1))
    clock.now = 10.0
    with pytest.raises(PastDeadline, match="too late"):
        kept.reserve(Amount(1))


def test_failed_rows_are_not_asked_again_behind_the_deadline() -> None:
    run = make_run(deadline=datetime(2001, 1, 1, tzinfo=UTC))
    chunk = run.chunks.create(seq=0, subjects=["1"], read=1, failed=1, state="done")
    run.rows.create(subject="1", outcome="unparsed")
    with pytest.raises(StageError, match="has passed"):
        run_retry(run=run, user=None)
    chunk.refresh_from_db()
    assert chunk.failed == 1


def test_the_change_stands_in_the_record() -> None:
    run = make_run(state=S.PAUSED)
    moment = datetime(2031, 1, 2, 3, 4, tzinfo=UTC)
    assert run_deadline(run=run, when=moment, user=None)
    assert AuditEvent.objects.get(verb="run.deadline").facts == {"before": None, "after": moment.isoformat()}


def test_a_run_in_work_keeps_its_deadline() -> None:
    run = make_run(state=S.RUNNING)
    assert not run_deadline(run=run, when=FUTURE, user=None)


def test_a_clone_has_no_deadline_and_the_same_cache() -> None:
    run = service.run_create(stage_name="asking", values={}, shared_cache=False)
    run_deadline(run=run, when=FUTURE, user=None)
    draft = run_clone(run=run, user=None)
    assert (draft.deadline, draft.shared_cache) == (None, False)


def test_whether_replies_are_shared_is_fixed_when_the_run_starts() -> None:
    run = made()
    assert run_cache(run=run, shared=False, user=None)
    service.run_start(run)
    assert not run_cache(run=run, shared=True, user=None)
    assert not Run.objects.get().shared_cache


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("", None),
        ("90m", timedelta(minutes=90)),
        (" 1.5 h ", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("2031-01-02 03:04", datetime(2031, 1, 2, 3, 4, tzinfo=UTC)),
        ("2031-01-02T03:04:00+08:00", datetime(2031, 1, 1, 19, 4, tzinfo=UTC)),
    ],
)
def test_a_deadline_is_a_time_or_a_length(text: str, when: deadline.When) -> None:
    assert deadline.parsed(text) == when


@pytest.mark.parametrize("text", ["soon", "8", "h", "-8h", "999999d", "2031-02-30 00:00", "9999-12-31 23:59"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no deadline"):
        deadline.parsed(text)


def chained(folder: Path, head: str) -> chain.Chain:
    file = folder / "chain.yaml"
    file.write_text(f"{head}\nstages: [asking]\n", encoding="utf-8")
    return chain.read(file)


def test_the_deadline_of_a_chain_is_no_part_of_its_identity(tmp_path: Path) -> None:
    assert chained(tmp_path, "deadline: 8h").identity == chained(tmp_path, "").identity


def test_a_chain_gives_its_runs_the_deadline_and_the_cache(tmp_path: Path) -> None:
    make_endpoint()
    (run,) = chain.prepare(chained(tmp_path, "deadline: 8h\ncache: false"))
    left = deadline.seconds_left(run)
    assert left is not None and 0 < left <= 8 * 3600
    assert not run.shared_cache


def test_a_run_of_a_chain_that_is_in_work_keeps_its_deadline_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_endpoint()
    (run,) = chain.prepare(chained(tmp_path, ""))
    service.run_start(run)
    (run,) = chain.prepare(chained(tmp_path, "deadline: 8h"))
    assert run.deadline is None
    assert "is in work, so its deadline stays" in caplog.text
    assert [event.text for event in run.events.filter(text__contains="its deadline stays") if is_known(event.text)]


WRONG = ["deadline: soon", "cache: sometimes", "endpoints: judge", "endpoints: [judge]"]
WRONG += ["endpoints: {judge: qwen-turbo}", "endpoints: {judge: }", "endpoints: {judge: [qwen-turbo]}"]


@pytest.mark.parametrize("head", WRONG)
def test_a_chain_with_a_wrong_head_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(ConfigError):
        chained(tmp_path, head)


@pytest.mark.parametrize("options", [(), ("--queue",)])
def test_a_chain_that_begins_behind_its_deadline_exits_as_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    make_endpoint()
    file = tmp_path / "chain.yaml"
    file.write_text("stages: [asking]\n", encoding="utf-8")
    monkeypatch.setattr(chain, "WAIT_S", -1.0)  # who waits fails
    with pytest.raises(SystemExit) as left:
        call_command("run_pipeline", file, "--deadline", "2001-01-01 00:00", *options)
    assert (left.value.code, Run.objects.get().state, Served.calls) == (3, S.DRAFT, 0)
    assert "has passed" in capsys.readouterr().err


def test_resuming_behind_the_deadline_leads_to_where_it_is_set(lead: Person) -> None:
    run = make_run(state=S.NEEDS_PEOPLE, deadline=datetime(2001, 1, 1, tzinfo=UTC))
    answer = lead.post(reverse("runs:resume", args=[run.pk]))
    assert answer.headers["Location"] == reverse("runs:edit", args=[run.pk])
