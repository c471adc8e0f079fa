"""Dry runs: what they ask, what they leave behind, what they estimate."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import PromptIntent
from madsafe_web.core.llm.editing.services import version_save, version_use
from madsafe_web.core.models import AuditEvent, Generation, Run
from madsafe_web.core.runs import dry, estimating, service, worker
from madsafe_web.core.runs.dry_pages import money
from madsafe_web.core.runs.errors import ConfigError
from tests.factories import Person, make_endpoint, make_label, make_map, make_prompts, make_run, make_user

pytestmark = pytest.mark.django_db
LEFT = ("stage", "total", "rows", "shares", "costs", "seconds")


def done(**values: Any) -> Run:
    """A dry run that a worker has worked on."""
    user = make_user("somebody who tries", "lead")
    run = dry.dry_start(user=user, values={"stage": "label", "values": {}, "rows": 20, **values})
    return worker.work_on(run.pk)


def test_it_asks_the_first_rows_and_shows_prompt_reply_and_result() -> None:
    make_prompts(30)
    run = done(rows=5)
    assert (run.state, run.outputs["total"], len(run.outputs["rows"])) == (Run.State.DONE, 30, 5)
    row = run.outputs["rows"][0]
    assert row["outcome"] == "done" and row["value"]
    call = row["calls"][0]
    assert call["messages"][-1][1].endswith("prompt 1\n\nLabels:") and call["reply"]


def test_it_writes_no_row_of_the_stage_and_leaves_only_the_replies() -> None:
    make_prompts(3)
    run = done()
    assert not PromptIntent.objects.exists()
    assert Run.objects.count() == 1 and set(run.outputs) == set(LEFT)
    assert Generation.objects.filter(run=run).count() == 3


def test_the_true_run_finds_the_replies() -> None:
    make_prompts(3)
    done()
    true = service.run_create(stage_name="label", values={})
    service.run_start(true)
    assert worker.work_on(true.pk).state == Run.State.DONE
    assert Generation.objects.count() == 3 and PromptIntent.objects.exists()


def test_the_plan_of_a_stage_that_writes_while_planning_is_taken_back() -> None:
    make_map({make_label("first label", make_prompts(4)): "OFF"}, published=True)
    run = done(stage="augment_keyword", values={"target": 6}, rows=2)
    assert run.state == Run.State.DONE, run.error
    assert run.outputs["total"] == 2 and len(run.outputs["rows"][0]["calls"]) >= 1


def test_a_draft_is_tried_as_it_stands_and_stays_a_draft() -> None:
    make_prompts(3)
    draft = service.run_create(stage_name="label", values={"roles": ["benchmark"]})
    run = done(of=draft.pk, values=draft.params)
    draft.refresh_from_db()
    assert run.outputs["total"] == 0 and draft.state == Run.State.DRAFT
    assert not draft.templates and not draft.chunks.exists()


def test_it_uses_the_version_in_use() -> None:
    make_prompts(1)
    version_save(user=None, name="label.en", text="Another text: {{ prompt }}")
    version_use(user=None, name="label.en", number=1)
    assert done().outputs["rows"][0]["calls"][0]["messages"] == [["user", "Another text: prompt 1"]]


def test_an_endpoint_that_nobody_answers_at_ends_it_with_a_sentence(settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = ("127.0.0.1:9",)
    make_prompts(2)
    make_endpoint()
    run = done(values={"endpoint": "served"})
    assert run.state == Run.State.FAILED and "cannot be reached" in run.error


def test_what_it_rests_on_offline_rules_is_marked() -> None:
    make_prompts(1)
    assert done().offline_rules


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stage": "merge"}, "at once"),
        ({"stage": "no such"}, "no stage"),
        ({"rows": 0}, "1 to 200"),
        ({"rows": 201}, "1 to 200"),
        ({"values": {"no": 1}}, "no parameter"),
    ],
)
def test_what_cannot_be_tried_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        done(**values)
    assert not Run.objects.exists()


def test_a_stage_that_lacks_what_it_reads_says_so() -> None:
    run = done(stage="augment_related")
    assert run.state == Run.State.FAILED and "publish the map first" in run.error


def test_the_estimate_scales_calls_tokens_cost_and_time() -> None:
    call = estimating.Call("e", 100, 50, 2.0)
    held = {"e": estimating.Terms(concurrency=4, price_in=1.0, price_out=2.0, currency="CNY")}
    share = estimating.shares([[call], [call]], 1000, held)[0]
    assert (share.calls, share.prompt_tokens, share.completion_tokens) == (1000, 100_000, 50_000)
    assert share.cost == pytest.approx(0.2) and share.seconds == pytest.approx(500.0)
    assert estimating.costs([share]) == {"CNY": pytest.approx(0.2)}


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({}, 500.0),
        ({"rpm": 60}, 1000.0),
        ({"tpm": 6000}, 1500.0),
        ({"rpm": 60, "tpm": 6000}, 1500.0),
        ({"rpm": 9e6}, 500.0),
    ],
)
def test_the_estimate_knows_the_limits_of_an_endpoint(limits: dict[str, float], seconds: float) -> None:
    held = {"e": estimating.terms(4, limits)}
    share = estimating.shares([[estimating.Call("e", 100, 50, 2.0)]], 1000, held)[0]
    assert share.seconds == pytest.approx(seconds)


def test_two_endpoints_work_at_the_same_time() -> None:
    rows = [[estimating.Call("slow", 1, 1, 4.0), estimating.Call("fast", 1, 1, 1.0)]]
    held = {"slow": estimating.Terms(2), "fast": estimating.Terms(2)}
    found = estimating.shares(rows, 10, held)
    assert estimating.duration_s(found) == 20.0 and estimating.costs(found) == {}


def test_replies_from_the_cache_tell_tokens_and_no_time() -> None:
    call = estimating.Call("e", 10, 5, None)
    share = estimating.shares([[call]], 10, {"e": estimating.Terms(1)})[0]
    assert (share.prompt_tokens, share.seconds) == (100, None)
    assert estimating.duration_s([share]) is None and estimating.shares([], 10, {}) == []


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0.00 USD"), (0.0123, "0.0123 USD"), (1234.5, "1,234.50 USD")])
def test_money_is_shown_with_the_digits_that_matter(value: float, shown: str) -> None:
    assert money(value, "USD") == shown


def test_a_withdrawal_blanks_what_dry_runs_show() -> None:
    make_prompts(2)
    run = done()
    assert dry.forget() == [run.pk]
    run.refresh_from_db()
    assert run.outputs == {}


def test_the_command_prints_rows_and_ends_with_the_estimate() -> None:
    make_prompts(3)
    out = StringIO()
    call_command("dry_run", "label", "--rows", "2", stdout=out)
    *rows, last = out.getvalue().splitlines()
    assert len(rows) == 2 and ": done " in rows[0]
    assert json.loads(last)["total"] == 3


@pytest.mark.parametrize("params", ["[]", "{", '{"no": 1}'])
def test_the_command_refuses_wrong_parameters(params: str) -> None:
    with pytest.raises(CommandError):
        call_command("dry_run", "label", "--params", params)


# --- pages ---


def test_a_lead_makes_a_dry_run_from_the_form(lead: Person) -> None:
    make_prompts(2)
    answer = lead.post("/dry-runs/new/", {"stage": "label", "values": '{"endpoint": "rules"}', "rows": "2"})
    run = Run.objects.get()
    assert answer["Location"] == f"/dry-runs/{run.pk}/" and run.state == Run.State.QUEUED
    assert run.params["values"] == {"endpoint": "rules"} and run.params["of"] == 0
    assert list(AuditEvent.objects.values_list("verb", flat=True)) == ["run.create", "run.start"]


def test_the_form_of_a_draft_has_its_parameters_and_tries_that_draft(lead: Person) -> None:
    draft = service.run_create(stage_name="label", values={"roles": ["alignment"]})
    form = lead.get(f"/dry-runs/new/?run={draft.pk}").context["form"]
    assert form.initial["values"] == draft.params
    sent = {"stage": "label", "values": json.dumps(draft.params), "rows": "3"}
    lead.post(f"/dry-runs/new/?run={draft.pk}", sent)
    assert Run.objects.get(stage="dry_run").params["of"] == draft.pk


def test_changed_parameters_try_them_and_not_the_draft(lead: Person) -> None:
    draft = service.run_create(stage_name="label", values={})
    lead.post(f"/dry-runs/new/?run={draft.pk}", {"stage": "label", "values": "{}", "rows": "3"})
    assert Run.objects.get(stage="dry_run").params["of"] == 0


@pytest.mark.parametrize("values", ["[1]", "{", '{"no": 1}', '{"roles": ["\\u0000"]}', "[" * 100_000, "9" * 5000])
def test_wrong_parameters_come_back_with_the_form(lead: Person, values: str) -> None:
    page = lead.post("/dry-runs/new/", {"stage": "label", "values": values, "rows": "3"})
    assert page.status_code == 422 and page.context["form"].errors["values"]


def test_the_page_polls_while_it_works_and_then_stops(lead: Person) -> None:
    run = make_run("dry_run", Run.State.RUNNING, params={"stage": "label"})
    assert 'hx-trigger="every 3s"' in lead.get(f"/dry-runs/{run.pk}/").content.decode()
    assert lead.get(f"/dry-runs/{run.pk}/progress/").status_code == 200
    Run.objects.update(state=Run.State.DONE)
    assert lead.get(f"/dry-runs/{run.pk}/progress/").status_code == 286


def test_the_page_shows_the_rows_as_text(lead: Person) -> None:
    make_prompts(1, language="en")
    run = done()
    run.outputs["rows"][0]["calls"][0]["reply"] = "<script>alert(1)</script>"
    run.save()
    page = lead.get(f"/dry-runs/{run.pk}/").content.decode()
    assert "<script>alert(1)" not in page and "prompt 1" in page


def test_the_page_costs_the_same_whatever_the_rows(lead: Person, django_assert_max_num_queries: Any) -> None:
    make_prompts(20)
    run = done()
    with django_assert_max_num_queries(6):
        lead.get(f"/dry-runs/{run.pk}/")


def test_another_run_is_no_dry_run(lead: Person) -> None:
    assert lead.get(f"/dry-runs/{make_run('label').pk}/").status_code == 404


def test_reviewers_see_no_opinion_of_a_judge_in_a_dry_run(annotator: Person, reviewer: Person) -> None:
    run = make_run("dry_run", params={"stage": "label"})
    for somebody in (annotator, reviewer):
        assert somebody.get(f"/dry-runs/{run.pk}/").status_code == 403
        assert f"/dry-runs/{run.pk}/" not in somebody.get(f"/runs/{run.pk}/").content.decode()


def test_a_draft_and_a_dry_run_lead_to_each_other_s_pages(lead: Person) -> None:
    draft, tried = make_run("label", Run.State.DRAFT), make_run("dry_run")
    assert f"/dry-runs/new/?run={draft.pk}" in lead.get(f"/runs/{draft.pk}/").content.decode()
    assert f"/dry-runs/{tried.pk}/" in lead.get(f"/runs/{tried.pk}/").content.decode()
