"""The pages of alignment sets and trainings: who may see and do what, and what they show."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotation.models import Corpus, Prompt
from madsafe_web.core.models import AuditEvent
from pipeline import training_pages
from pipeline.models import AlignmentSet, LossPoint, TrainingRun
from tests.factories import Person, make_corpus, make_prompt, make_run
from tests.pipeline.sets import FROZEN, S, made_set, training_run

pytestmark = pytest.mark.django_db


# --- who may do what ---


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead", "admin"])
def test_every_role_sees_sets_and_trainings(role: str, request: pytest.FixtureRequest) -> None:
    made = made_set()
    run = training_run(made=made, points=3)
    person: Person = request.getfixturevalue(role)
    for path in ("/sets/", f"/sets/{made.pk}/", "/training/", f"/training/{run.pk}/", f"/training/{run.pk}/progress/"):
        assert person.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/sets/", "/sets/1/", "/training/", "/training/1/", "/training/launch/"])
def test_somebody_not_signed_in_is_sent_to_sign_in(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/sets/99/", "/training/99/", "/training/99/progress/"])
def test_what_does_not_exist_is_not_found(lead: Person, path: str) -> None:
    assert lead.get(path).status_code == 404


def test_a_run_of_another_stage_is_no_training(lead: Person) -> None:
    run = make_run("label", S.RUNNING)
    assert lead.get(f"/training/{run.pk}/").status_code == 404
    assert lead.post(f"/training/{run.pk}/stop/").status_code == 404


def test_a_get_stops_nothing(lead: Person) -> None:
    run = training_run()
    assert lead.get(f"/training/{run.pk}/stop/").status_code == 405
    run.refresh_from_db()
    assert run.state == S.RUNNING


# --- sets ---


def test_the_list_counts_what_a_set_really_holds(lead: Person) -> None:
    made_set(safety=3, general=2)
    (line,) = lead.get("/sets/").context["sets"]
    assert (line.safety, line.general, line.total, line.state) == (3, 2, 5, "frozen")


def test_without_a_set_the_list_says_what_comes_first(lead: Person) -> None:
    assert "No alignment set yet" in lead.get("/sets/").content.decode()


def test_every_rule_tells_what_it_took_out_and_left(lead: Person) -> None:
    made = made_set(safety=3)
    rules = lead.get(f"/sets/{made.pk}/").context["rules"]
    assert [(rule.value, rule.removed, rule.left) for rule in rules] == [
        ("", 1, 9),
        ("0.9", 2, 7),
        ("0.6", 0, 7),
        ("0.8", 3, 4),
        ("", 1, 3),
    ]


def test_a_draft_cannot_be_trained_on(lead: Person) -> None:
    assert not lead.get(f"/sets/{made_set(state='draft').pk}/").context["can_train"]
    assert not AlignmentSet.objects.filter(state=FROZEN).exists()


def test_the_categories_of_a_set_are_drawn(lead: Person) -> None:
    made = made_set(safety=3)
    figure = lead.get(f"/sets/{made.pk}/").context["figure"]
    assert [row[1] for row in figure.table.rows] == [3] and figure.table.rows[0][0].startswith("CIA")


def test_overlaps_with_benchmarks_are_told_by_benchmark(lead: Person) -> None:
    benchmark = make_corpus("Bench", Corpus.Role.BENCHMARK)
    make_corpus("Other bench", Corpus.Role.BENCHMARK)
    twin = make_prompt("twin", benchmark)
    deduplicate = make_run("deduplicate")
    home = make_corpus("Home")
    for text, likeness in (("a", 1.0), ("b", 0.8), ("c", 0.7)):
        state = {"state": Prompt.State.OVERLAP, "state_run": deduplicate, "twin": twin, "similarity": likeness}
        make_prompt(text, home, **state)
    leaks = lead.get(f"/sets/{made_set().pk}/").context["leaks"]
    assert [(one.benchmark, one.exact, one.near, one.removed) for one in leaks] == [
        ("Bench", 1, 2, 3),
        ("Other bench", 0, 0, 0),
    ]


def test_set_0_is_the_newest_frozen_one(lead: Person) -> None:
    assert lead.get("/sets/0/")["Location"] == "/sets/"
    made = made_set()
    assert lead.get("/sets/0/")["Location"] == f"/sets/{made.pk}/"


def test_the_exported_file_is_offered_to_leads_once_it_is_there(lead: Person, annotator: Person) -> None:
    made = made_set()
    url = f"/sets/{made.pk}/files/export/"
    assert lead.post(url).status_code == 404
    path = Path(settings.VAR_DIR, "export", f"set-{made.pk}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"instruction": "a"}\n', encoding="utf-8")
    assert [one.url for one in lead.get(f"/sets/{made.pk}/").context["downloads"]] == [url]
    answer = lead.post(url)
    assert b"".join(answer.streaming_content) == b'{"instruction": "a"}\n'
    assert answer["Content-Disposition"].startswith("attachment")
    assert annotator.post(url).status_code == 403
    assert lead.post(f"/sets/{made.pk}/files/..%2Fsecret_key/").status_code == 404


def test_a_file_that_is_taken_out_is_written_down_with_its_rows(lead: Person) -> None:
    made = made_set()
    path = Path(settings.VAR_DIR, "export", f"set-{made.pk}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"instruction": "a"}\n{"instruction": "b"}\n', encoding="utf-8")
    lead.post(f"/sets/{made.pk}/files/export/")
    event = AuditEvent.objects.get(verb="set.download")
    assert (event.actor, event.subject, event.facts["rows"]) == (lead.user, f"set {made.pk}", 2)
    assert (event.facts["file"], len(event.facts["sha256"])) == (path.name, 64)


def test_a_file_that_is_taken_out_holds_nothing_of_a_corpus_closed_since(lead: Person) -> None:
    made = made_set()
    path = Path(settings.VAR_DIR, "export", f"set-{made.pk}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"instruction": "a"}\n', encoding="utf-8")
    Corpus.objects.update(exportable=False)
    answer = lead.post(f"/sets/{made.pk}/files/export/")
    assert b"".join(answer.streaming_content) == b""
    facts = AuditEvent.objects.get(verb="set.download").facts
    assert (facts["rows"], facts["left_out"]) == (0, 5)


def test_a_link_that_leads_out_of_the_var_folder_is_no_file_of_the_set(lead: Person, tmp_path: Path) -> None:
    made = made_set()
    (tmp_path / "elsewhere").write_text("private", encoding="utf-8")
    path = Path(settings.VAR_DIR, "export", f"set-{made.pk}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "elsewhere")
    assert lead.post(f"/sets/{made.pk}/files/export/").status_code == 404
    path.unlink()


def test_a_training_that_is_stopped_is_written_down(lead: Person) -> None:
    run = training_run(S.RUNNING, made_set())
    lead.post(f"/training/{run.pk}/stop/")
    assert AuditEvent.objects.get(verb="training.stop").subject == str(run)


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_of_sets_costs_the_same_queries_whatever_its_length(
    lead: Person, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        made_set(f"Set {number}", safety=1, general=1)
    with django_assert_num_queries(7):  # session, user, count, sets, their samples, workers, steps of the method
        lead.get("/sets/")


# --- trainings ---


def test_a_training_that_no_worker_has_begun_is_shown_as_queued(lead: Person) -> None:
    run = training_run(S.QUEUED)
    shown = lead.get(f"/training/{run.pk}/").context["training"]
    assert (shown.state, shown.step, shown.base_model, shown.set_name) == ("queued", 0, "base", "Newest frozen set")
    assert "The curve appears with the first logged step." in lead.get(f"/training/{run.pk}/").content.decode()


def test_a_running_training_shows_its_last_step_and_its_curve(lead: Person) -> None:
    run = training_run(made=made_set(), points=5)
    context = lead.get(f"/training/{run.pk}/").context
    shown = context["training"]
    assert (shown.step, shown.steps, shown.percent, shown.loss) == (5, 20, 25.0, 2.5)
    curve = json.loads(context["figure"].json)
    assert curve["data"][0]["y"] == [2.9, 2.8, 2.7, 2.6, 2.5]


def test_the_fragment_of_a_running_training_asks_again(lead: Person) -> None:
    run = training_run(made=made_set(), points=1)
    text = lead.get(f"/training/{run.pk}/progress/").content.decode()
    assert 'hx-trigger="every 3s"' in text and "<html" not in text


@pytest.mark.parametrize("state", [S.DONE, S.FAILED, S.CANCELLED])
def test_the_fragment_of_a_training_that_ended_ends_the_polling(lead: Person, state: str) -> None:
    answer = lead.get(f"/training/{training_run(state).pk}/progress/")
    assert answer.status_code == 286 and "hx-trigger" not in answer.content.decode()


def test_the_pace_is_told_only_while_it_is_known(lead: Person) -> None:
    run = training_run(made=made_set(), points=10)
    TrainingRun.objects.update(launches=1, heartbeat=run.started + timedelta(seconds=20))
    shown = lead.get(f"/training/{run.pk}/").context["training"]
    assert (shown.seconds_per_step, shown.left) == (2.0, "20 s")
    TrainingRun.objects.update(launches=2)
    assert lead.get(f"/training/{run.pk}/").context["training"].seconds_per_step is None


def test_the_log_shows_its_last_lines_and_of_a_progress_bar_the_newest_state(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(100)]
    (tmp_path / "train.log").write_bytes("\n".join([*lines, " 1%\r 2%\r 3%", ""]).encode())
    tail = training_pages.log_tail(tmp_path).split("\n")
    assert len(tail) == training_pages.LOG_LINES and tail[-2:] == ["line 99", " 3%"]


def test_without_a_log_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert training_pages.log_tail(tmp_path) == ""


def test_checkpoints_are_listed_with_their_size(lead: Person) -> None:
    run = training_run(made=made_set())
    folder = Path(settings.VAR_DIR, f"training/run-{run.pk}/output/checkpoint-5")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"12345")
    (one,) = lead.get(f"/training/{run.pk}/").context["checkpoints"]
    assert (one.name, one.size) == ("checkpoint-5", 5)


def test_a_long_curve_is_thinned_to_its_shape() -> None:
    points = [LossPoint(step=n, total=5000, loss=1.0, lr=1e-5, epoch=0.1) for n in range(1, 5001)]
    thin = training_pages.thinned(points)
    assert len(thin) <= training_pages.MOST_POINTS + 1 and (thin[0].step, thin[-1].step) == (1, 5000)


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_of_trainings_costs_the_same_queries_whatever_its_length(
    lead: Person, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = made_set()
    for _ in range(count):
        training_run(made=made, points=2)
    with django_assert_num_queries(6):  # session, user, count, trainings, workers, steps of the method
        answer = lead.get("/training/")
    line = answer.context["trainings"][0]
    assert (line.first_loss, line.loss, line.step, line.steps, line.set_name) == (2.9, 2.8, 2, 20, "Set")


def test_stopping_a_training_cancels_its_run(lead: Person) -> None:
    run = training_run()
    assert lead.post(f"/training/{run.pk}/stop/")["Location"] == f"/training/{run.pk}/"
    run.refresh_from_db()
    assert run.state == S.CANCELLED


def test_stopping_a_training_that_ended_says_so(lead: Person) -> None:
    run = training_run(S.DONE)
    assert "has already ended" in lead.post(f"/training/{run.pk}/stop/", follow=True).content.decode()
