"""Runs before they start: cloned, their parameters changed, their budget set; and the pages that do it."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import AuditEvent, Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.drafts import limits_of, run_budget, run_change, run_clone
from madsafe_web.core.runs.errors import ParameterError
from tests.factories import Person, make_endpoint, make_run

pytestmark = pytest.mark.django_db
S = Run.State
BUDGET = Limits(calls=5, tokens=600, cost=1_500_000, seconds=120)


def facts(verb: str) -> dict[str, object]:
    found: dict[str, object] = AuditEvent.objects.get(verb=verb).facts
    return found


def labelled(state: str) -> Run:
    return make_run("label", state, params=service.run_create(stage_name="label", values={}).params)


def deduplicated(state: str = S.DONE, **params: object) -> Run:
    run = service.run_create(stage_name="deduplicate", values=params)
    Run.objects.filter(pk=run.pk).update(state=state)
    run.refresh_from_db()
    return run


def test_a_clone_is_a_draft_with_the_same_parameters_and_budget(lead: Person) -> None:
    run = deduplicated(threshold=0.5)
    run_budget(run=run, limits=BUDGET, user=None)
    draft = run_clone(run=Run.objects.get(pk=run.pk), user=lead.user)
    assert (draft.state, draft.params, limits_of(draft)) == (S.DRAFT, run.params, BUDGET)
    assert draft.actor == lead.user
    assert AuditEvent.objects.get(verb="run.create", actor=lead.user).facts == {"like": str(run)}


def test_a_draft_takes_other_parameters_and_the_record_tells_which() -> None:
    run = deduplicated(S.DRAFT)
    before = run.params["threshold"]
    assert run_change(run=run, values={**run.params, "threshold": 0.5}, user=None)
    run.refresh_from_db()
    assert run.params["threshold"] == 0.5
    assert facts("run.change") == {"before": {"threshold": before}, "after": {"threshold": 0.5}}


def test_the_same_parameters_are_no_change() -> None:
    run = deduplicated(S.DRAFT)
    assert run_change(run=run, values=run.params, user=None)
    assert not AuditEvent.objects.filter(verb="run.change").exists()


def test_a_wrong_parameter_is_named_and_changes_nothing() -> None:
    run = deduplicated(S.DRAFT)
    with pytest.raises(ParameterError) as raised:
        run_change(run=run, values={**run.params, "threshold": "much"}, user=None)
    assert raised.value.field == "threshold"


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSED, S.DONE])
def test_a_run_that_started_keeps_its_parameters(state: str) -> None:
    run = deduplicated(state)
    assert not run_change(run=run, values={"threshold": 0.5}, user=None)
    assert Run.objects.get().params == run.params


def test_a_run_of_a_chain_keeps_its_parameters() -> None:
    run = service.run_create(stage_name="deduplicate", values={}, chain="declared", step=1)
    assert not run_change(run=run, values={"threshold": 0.5}, user=None)


def test_a_budget_is_set_and_written_down() -> None:
    run = deduplicated(S.OVER_BUDGET)
    assert run_budget(run=run, limits=BUDGET, user=None)
    assert limits_of(Run.objects.get()) == BUDGET
    assert facts("run.budget")["after"] == {"calls": 5, "tokens": 600, "cost": 1_500_000, "seconds": 120}


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSING, S.CANCELLED])
def test_a_run_in_work_or_cancelled_keeps_its_budget(state: str) -> None:
    run = deduplicated(state)
    assert not run_budget(run=run, limits=BUDGET, user=None)
    assert limits_of(Run.objects.get()) == Limits()


# --- the pages ---


def test_a_lead_clones_a_run_and_comes_to_its_form(lead: Person) -> None:
    run = deduplicated()
    answer = lead.post(f"/runs/{run.pk}/clone/")
    draft = Run.objects.latest("pk")
    assert answer["Location"] == f"/runs/{draft.pk}/edit/"
    page = lead.get(f"/runs/{draft.pk}/edit/").content.decode()
    assert 'name="param-threshold"' in page and "budget-calls" not in page


def test_a_run_with_a_page_of_its_own_is_not_cloned(lead: Person) -> None:
    run = make_run("import")
    assert "began on a page of its own" in lead.post(f"/runs/{run.pk}/clone/", follow=True).content.decode()
    assert Run.objects.count() == 1


def test_the_form_of_a_draft_saves_parameters_and_budget(lead: Person) -> None:
    make_endpoint("served")
    run = service.run_create(stage_name="label", values={})
    form = {f"param-{name}": value for name, value in run.params.items() if isinstance(value, str | int | float)}
    form |= {"param-endpoint": "served", "param-corpora": "[]", "param-roles": '["alignment"]'}
    form |= {"budget-calls": "10", "budget-money": "1.5", "budget-minutes": "2"}
    answer = lead.post(f"/runs/{run.pk}/edit/", form)
    assert answer.status_code == 302, answer.content.decode()
    run.refresh_from_db()
    assert (run.params["endpoint"], run.params["roles"]) == ("served", ["alignment"])
    assert limits_of(run) == Limits(calls=10, cost=1_500_000, seconds=120)


def test_saving_a_deadline_leaves_the_seconds_of_the_budget(lead: Person) -> None:
    run = labelled(S.PAUSED)
    limits = Limits(seconds=100)
    assert run_budget(run=run, limits=limits, user=None)
    lead.post(f"/runs/{run.pk}/edit/", {"budget-minutes": "1", "budget-deadline": "8h"})
    run.refresh_from_db()
    assert run.deadline and limits_of(run) == limits


def test_a_wrong_parameter_is_told_at_its_field(lead: Person) -> None:
    run = deduplicated(S.DRAFT)
    form = {f"param-{name}": value for name, value in run.params.items()} | {"param-threshold": '"much"'}
    answer = lead.post(f"/runs/{run.pk}/edit/", form)
    assert answer.status_code == 422
    assert 'id="id_param-threshold_error"' in answer.content.decode()


@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "[" * 100_000, "9" * 5000])
def test_json_that_no_database_keeps_is_told_at_its_field(lead: Person, value: str) -> None:
    run = deduplicated(S.DRAFT)
    form = {f"param-{name}": value for name, value in run.params.items()} | {"param-threshold": value}
    answer = lead.post(f"/runs/{run.pk}/edit/", form)
    assert answer.status_code == 422
    assert 'id="id_param-threshold_error"' in answer.content.decode()


def test_of_a_run_that_started_only_the_budget_is_shown(lead: Person) -> None:
    run = labelled(S.PAUSED)
    page = lead.get(f"/runs/{run.pk}/edit/").content.decode()
    assert "budget-calls" in page and "param-endpoint" not in page


def test_a_draft_with_a_page_of_its_own_takes_no_other_parameters(lead: Person) -> None:
    draft = make_run("import", S.DRAFT, params={"path": "uploads/1"})
    answer = lead.post(f"/runs/{draft.pk}/edit/", {"param-path": "/etc/passwd"}, follow=True)
    assert "began on a page of its own" in answer.content.decode()
    draft.refresh_from_db()
    assert draft.params == {"path": "uploads/1"}


def test_a_budget_for_a_run_in_work_is_refused_in_words(lead: Person) -> None:
    run = labelled(S.RUNNING)
    answer = lead.post(f"/runs/{run.pk}/edit/", {"budget-calls": "1"}, follow=True)
    assert "is in work or has ended: nothing was changed" in answer.content.decode()


def test_a_stage_that_reserves_no_call_is_offered_no_budget(lead: Person) -> None:
    run = deduplicated(S.PAUSED)
    assert f"/runs/{run.pk}/edit/" not in lead.get(f"/runs/{run.pk}/").content.decode()
    assert lead.post(f"/runs/{run.pk}/edit/", {"budget-minutes": "1"})["Location"] == f"/runs/{run.pk}/"
    run.refresh_from_db()
    assert limits_of(run) == Limits()


def test_the_form_of_a_draft_without_a_budget_saves_its_parameters(lead: Person) -> None:
    run = deduplicated(S.DRAFT)
    form = {f"param-{name}": value for name, value in run.params.items()} | {"param-threshold": "0.5"}
    assert lead.post(f"/runs/{run.pk}/edit/", form).status_code == 302
    run.refresh_from_db()
    assert run.params["threshold"] == 0.5


@pytest.mark.parametrize("place", ["clone", "edit"])
def test_an_annotator_neither_clones_nor_changes(annotator: Person, place: str) -> None:
    run = deduplicated(S.DRAFT)
    assert annotator.post(f"/runs/{run.pk}/{place}/").status_code == 403


def test_the_page_of_a_run_shows_what_it_used_beside_its_budget(annotator: Person) -> None:
    run = make_run(state=S.RUNNING, most_calls=50, currency="CNY")
    run.chunks.create(seq=0, subjects=[], calls=7, prompt_tokens=1000, completion_tokens=234, cost=2_500_000)
    page = annotator.get(f"/runs/{run.pk}/").content.decode()
    assert "1,234" in page and "2.5000 CNY" in page and "/ 50" in page
