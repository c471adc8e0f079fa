"""Withdrawing a corpus: what derives from it is told, its texts are gone everywhere, and what was made is marked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import Model

from annotation import withdrawing
from annotation.derived import affected, told
from annotation.models import Corpus, Prompt, RejectedImport, Response, ReviewItem, Seat
from annotation.reviewing import NewItem, items_add
from annotation.text import prompt_key
from annotation.uploading import import_start, keep
from annotation.versions import data_changes
from evaluation.models import Answer, Benchmark, BenchmarkVersion, EvaluationRun, Item, Verdict
from evaluation.reviewing import KIND
from madsafe_web.core.models import AuditEvent, Generation, Run, RunRow
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from pipeline.freezing import alpaca_rows, barred_prompts
from pipeline.models import AlignmentSample, AlignmentSet, TrainingRun
from pipeline.training_pages import training_shown
from tests.factories import (
    Person,
    make_corpus,
    make_endpoint,
    make_label,
    make_prompt,
    make_response,
    make_run,
)
from tests.pipeline.sets import made_set, training_run

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary words"


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def reply(text: str, run: Run) -> Generation:
    endpoint = make_endpoint(f"endpoint {Generation.objects.count()}")
    key = f"{Generation.objects.count():032d}"
    return Generation.objects.create(call_key=key, run=run, endpoint=endpoint, text=text, reasoning=text)


def withdraw(corpus: Corpus) -> Run:
    run = service.run_create(stage_name="withdraw", values={"corpus": corpus.pk})
    service.run_start(run)
    return work_on(run.pk)


def withdrawn(corpus: Corpus) -> Run:
    run = withdraw(corpus)
    assert run.state == Run.State.DONE, run.error
    return run


def tables_with(text: str) -> list[str]:
    """The tables in which the text stands anywhere."""

    def holds(model: type[Model]) -> bool:
        return any(text in repr(row) for row in model._default_manager.values_list())

    return [model._meta.label for model in apps.get_models() if holds(model)]


def files_with(text: str, folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def derived_corpus() -> Corpus:
    """Two prompts with replies, one generated from them and one from that, and what models wrote on the way."""
    corpus = make_corpus("Gone", role=Corpus.Role.ALIGNMENT)
    first = make_prompt(f"{CANARY} one", corpus, folded=f"{CANARY} one", payload={"options": [CANARY]})
    second = make_prompt(f"{CANARY} two", corpus)
    regenerate, augment = make_run("regenerate"), make_run("augment_related")
    make_response(first, f"{CANARY} imported")
    made = reply(f"{CANARY} reasons", regenerate)
    make_response(second, f"{CANARY} regenerated", origin="regenerated", run=regenerate, generation=made)
    reply(f"{CANARY} cut off", regenerate)
    RunRow.objects.create(run=regenerate, subject=str(second.pk), outcome="truncated")
    home = make_corpus("Generated", format="generated")
    values = {"origin": Prompt.Origin.GENERATED, "run": augment}
    child = make_prompt(f"{CANARY} child", home, parents=[first.pk], generation=reply(CANARY, augment), **values)
    make_prompt(f"{CANARY} grandchild", home, parents=[child.pk], **values)
    make_label("a theme", [first])
    RejectedImport.objects.create(run=make_run("import"), corpus=corpus, row=3, reason="is empty", raw=CANARY)
    return corpus


def test_all_texts_are_gone_from_every_table() -> None:
    corpus = derived_corpus()
    make_response(make_prompt("a prompt that stays"), "a reply that stays")
    withdrawn(corpus)
    assert tables_with(CANARY) == []
    assert tables_with("that stays") == ["annotation.Prompt", "annotation.Response"]


def test_the_database_holds_none_of_many_texts_any_more_nor_does_the_file_of_sqlite() -> None:
    corpus = make_corpus()
    for number in range(200):
        make_prompt(f"{CANARY} {number} " + "x" * 500, corpus)
    withdrawn(corpus)
    assert tables_with(CANARY) == []
    if connection.vendor == "sqlite":  # PostgreSQL's files keep old rows until its own vacuum
        file = Path(str(connection.settings_dict["NAME"]))
        assert all(CANARY.encode() not in path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


def test_what_was_withdrawn_keeps_its_key_its_parents_and_its_labels() -> None:
    corpus = derived_corpus()
    withdrawn(corpus)
    first = corpus.prompts.order_by("id")[0]
    assert (first.state, first.text, bytes(first.key)) == ("withdrawn", "", prompt_key(f"{CANARY} one"))
    assert first.intents.count() == 1
    children = Prompt.objects.filter(corpus__name="Generated").order_by("id")
    assert [(one.state, len(one.parents)) for one in children] == [("withdrawn", 1)] * 2
    corpus.refresh_from_db()
    assert corpus.withdrawn and not corpus.exportable


def test_a_reply_that_a_prompt_of_another_corpus_rests_on_stays() -> None:
    corpus, run = make_corpus("Gone"), make_run("regenerate")
    shared = reply("a shared reply", run)
    for prompt in (make_prompt("one", corpus), make_prompt("one", make_corpus("Stays"))):
        make_response(prompt, "a reply", origin="regenerated", run=run, generation=shared)
    withdrawn(corpus)
    assert Generation.objects.get() == shared


def test_the_run_is_audited_and_the_data_version_moves() -> None:
    corpus = derived_corpus()
    before = data_changes()
    run = withdrawn(corpus)
    assert service.counts(run)["kept"] == 4
    assert AuditEvent.objects.get(verb="corpus.withdrawn").facts["prompts"] == 4
    assert data_changes() > before


def test_what_derives_is_told_before() -> None:
    corpus = derived_corpus()
    found = {line.name: line.count for line in told(corpus)}
    assert (found["Prompts of the corpus"], found["Prompts generated from them"], found["Responses"]) == (2, 2, 2)
    assert (found["Labels of these prompts"], found["Rejected rows"]) == (1, 1)
    assert len(affected(corpus).ids()) == 4


# --- going on after a stop ---


def stopped_after_the_own_prompts(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A withdrawal that died when only what was generated from the two prompts of the corpus was left."""
    monkeypatch.setattr(withdrawing, "BATCH_ROWS", 1)
    original, calls = withdrawing._blank, []

    def dies_at_the_third_batch(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("killed")
        original(*arguments)

    monkeypatch.setattr(withdrawing, "_blank", dies_at_the_third_batch)
    return withdraw(corpus)


def test_a_withdrawal_stopped_in_the_middle_goes_on_and_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = derived_corpus()
    run = stopped_after_the_own_prompts(corpus, monkeypatch)
    assert (run.state, Prompt.objects.filter(state="withdrawn").count()) == (Run.State.FAILED, 2)
    assert service.run_start(run)
    run = work_on(run.pk)
    assert run.state == Run.State.DONE, run.error
    assert service.counts(run)["kept"] == 4
    assert tables_with(CANARY) == []


def test_a_withdrawal_cancelled_in_the_middle_can_be_started_again_and_finished(
    lead: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = derived_corpus()
    assert service.run_cancel(stopped_after_the_own_prompts(corpus, monkeypatch))
    assert not Prompt.objects.filter(corpus=corpus).exclude(state="withdrawn").exists()
    assert "annotation.Prompt" in tables_with(CANARY)
    assert "not finished: start it again" in lead.get(f"/corpora/{corpus.pk}/").text
    assert lead.post(f"/corpora/{corpus.pk}/withdraw/", {"name": "Gone"}).status_code == 302
    assert work_on(Run.objects.latest("pk").pk).state == Run.State.DONE
    assert tables_with(CANARY) == []
    assert "its texts are gone" in lead.get(f"/corpora/{corpus.pk}/").text


def test_a_second_withdrawal_finds_nothing_more_to_do() -> None:
    corpus = derived_corpus()
    withdrawn(corpus)
    assert not withdrawing.is_whole(Corpus.objects.get(pk=corpus.pk))
    run = withdrawn(corpus)
    assert Prompt.objects.filter(state="withdrawn").count() == service.counts(run)["kept"] == 4


def test_while_another_run_is_in_work_nothing_is_withdrawn() -> None:
    corpus = derived_corpus()
    run = service.run_create(stage_name="withdraw", values={"corpus": corpus.pk})
    assert service.run_start(run)
    make_run("regenerate", Run.State.RUNNING)
    run = work_on(run.pk)
    assert run.state == Run.State.FAILED and "Wait for them" in run.error
    assert Corpus.objects.get(pk=corpus.pk).withdrawn is None


def test_while_a_withdrawal_is_at_work_no_other_run_starts(lead: Person) -> None:
    corpus = derived_corpus()
    started = withdrawing.withdrawal_start(user=lead.user, corpus=corpus)
    other = service.run_create(stage_name="deduplicate", values={})
    assert not service.run_start(other)
    other.refresh_from_db()
    assert "no other run may start meanwhile" in other.error
    assert work_on(started.pk).state == Run.State.DONE
    assert service.run_start(other)


def test_what_was_written_from_the_corpus_while_it_was_blanked_is_withdrawn_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = derived_corpus()
    home, parent = Corpus.objects.get(name="Generated"), corpus.prompts.order_by("id")[0]
    original = withdrawing._blank

    def written_and_marked_meanwhile(run: Run, ids: Sequence[int]) -> None:
        original(run, ids)
        if not home.prompts.filter(parents=[parent.pk, 0]).exists():
            make_prompt(f"{CANARY} late", home, parents=[parent.pk, 0], origin=Prompt.Origin.GENERATED)
            Prompt.objects.filter(pk=parent.pk).update(state="duplicate")

    monkeypatch.setattr(withdrawing, "_blank", written_and_marked_meanwhile)
    withdrawn(corpus)
    assert tables_with(CANARY) == []
    assert set(Prompt.objects.values_list("state", flat=True)) == {"withdrawn"}


# --- files ---


def test_the_file_that_was_sent_is_deleted_and_not_imported_again(lead: Person, var: Path) -> None:
    rows = json.dumps([{"instruction": CANARY, "input": "", "output": CANARY}]).encode()
    for name in ("One", "Two"):
        path = keep(SimpleUploadedFile(f"{name}.json", rows + b"   " if name == "One" else rows))
        work_on(import_start(user=lead.user, declared={"path": path, "format": "alpaca", "name": name}).pk)
    corpus = Corpus.objects.get(name="One")
    params = Run.objects.filter(stage="import").earliest("pk").params
    withdrawn(corpus)
    assert files_with(CANARY, var) == ["Two.json"]
    again = Path(settings.BASE_DIR, params["files"][0]["path"])
    again.write_bytes(rows + b"   ")
    run = service.run_create(stage_name="import", values=params)
    service.run_start(run)
    assert "was withdrawn" in work_on(run.pk).error


def set_of(corpus: Corpus, var: Path) -> AlignmentSet:
    """A frozen and exported set with the texts of this corpus and of another one, and a training on it."""
    made = made_set(safety=1, general=1)
    prompt = corpus.prompts.order_by("id")[0]
    AlignmentSample.objects.create(
        alignment_set=made, prompt=prompt, response=prompt.responses.order_by("id")[0], kind="safety"
    )
    for folder in ("sets", "export"):
        (var / folder).mkdir()
    (var / "sets" / f"set-{made.pk}.jsonl").write_text(CANARY)
    lines = [json.dumps(row) for row in alpaca_rows(made, barred_prompts(made))]
    (var / "export" / f"set-{made.pk}.jsonl").write_text("\n".join(lines))
    training = TrainingRun.objects.get(run=training_run("done", made))
    folder = var / training.folder
    (folder / "dataset").mkdir(parents=True)
    for name in ("dataset/safe_sft.jsonl", "train.log"):
        (folder / name).write_text(CANARY)
    TrainingRun.objects.filter(pk=training.pk).update(tuned_sha256="ef" * 32)
    return made


def test_sets_and_trainings_are_marked_and_their_files_hold_no_text_any_more(var: Path, annotator: Person) -> None:
    corpus = derived_corpus()
    made = set_of(corpus, var)
    assert files_with(CANARY, var)
    withdrawn(corpus)
    assert files_with(CANARY, var) == []
    exported = (var / "export" / f"set-{made.pk}.jsonl").read_text().splitlines()
    assert len(exported) == 2
    made.refresh_from_db()
    assert made.withdrawn == 1
    assert "1 sample was withdrawn with its corpus" in annotator.get(f"/sets/{made.pk}/").text
    run = Run.objects.get(stage="train")
    assert training_shown(run, None, annotator.user).withdrawn == 1


def test_withdrawn_samples_stay_out_of_later_exports(var: Path) -> None:
    corpus = derived_corpus()
    made = set_of(corpus, var)
    withdrawn(corpus)
    rows = list(alpaca_rows(made, barred_prompts(made)))
    assert len(rows) == 2 and all(row["instruction"] and row["output"] for row in rows)


# --- evaluations ---


def asked(corpus: Corpus) -> Run:
    """An evaluation of one prompt of the corpus, whose answer is uncertain and waits for a person."""
    run, endpoint = make_run("evaluate"), make_endpoint("asked")
    version = BenchmarkVersion.objects.create(benchmark=Benchmark.objects.create(name="new_safety"), sha256="ab")
    item = Item.objects.create(version=version, prompt=corpus.prompts.order_by("id")[0], position=1, category="OFF")
    for subject in ("base", "tuned"):
        sha = "ef" * 32 if subject == "tuned" else ""
        values = {"run": run, "version": version, "endpoint": endpoint, "model_sha256": sha, "settings": {"chance": {}}}
        evaluation = EvaluationRun.objects.create(subject=subject, **values)
        answer = Answer.objects.create(evaluation=evaluation, item=item, text=CANARY, generation=reply(CANARY, run))
        answer.votes.create(number=1, verdict="uncertain", generation=reply(CANARY, run))
        verdict = Verdict.objects.create(answer=answer, judged="uncertain")
        items_add(KIND, [NewItem(str(verdict.pk), CANARY, CANARY, "OFF")], 1)
    return run


def test_answers_and_review_items_are_blanked_and_open_ones_settled() -> None:
    corpus = derived_corpus()
    asked(corpus)
    withdrawn(corpus)
    assert tables_with(CANARY) == []
    assert set(ReviewItem.objects.values_list("state", "resolution", "resolved_by")) == {("resolved", "unsafe", "rule")}
    assert set(Seat.objects.values_list("state", flat=True)) == {Seat.State.VOID}


def test_results_say_what_was_withdrawn_from_under_them(var: Path, annotator: Person) -> None:
    corpus = derived_corpus()
    set_of(corpus, var)
    asked(corpus)
    withdrawn(corpus)
    text = annotator.get("/results/?benchmark=new_safety").text
    assert "1 question of this benchmark was withdrawn since" in text
    assert "The tuned model was trained on samples that were withdrawn since." in text


# --- the page ---


def test_the_page_shows_what_derives_and_asks_for_the_name(lead: Person, var: Path) -> None:
    corpus = derived_corpus()
    made = set_of(corpus, var)
    path = f"/corpora/{corpus.pk}/withdraw/"
    text = lead.get(path).text
    assert made.name in text and "Prompts generated from them" in text
    assert lead.post(path, {"name": "Another"}).status_code == 422
    assert not Run.objects.filter(stage="withdraw").exists()
    answer = lead.post(path, {"name": "Gone"})
    run = Run.objects.get(stage="withdraw")
    assert answer.url == f"/runs/{run.pk}/"
    (event,) = AuditEvent.objects.filter(verb="corpus.withdraw")
    assert (event.actor, event.facts) == (lead.user, {"corpus": corpus.pk, "run": run.pk})
    assert work_on(run.pk).state == Run.State.DONE
    assert lead.get(path).status_code == 404
    assert "its texts are gone" in lead.get(f"/corpora/{corpus.pk}/").text


def test_the_page_refuses_while_another_run_is_in_work(lead: Person) -> None:
    corpus = derived_corpus()
    make_run("regenerate", Run.State.RUNNING)
    answer = lead.post(f"/corpora/{corpus.pk}/withdraw/", {"name": "Gone"})
    assert answer.status_code == 409 and "may be writing" in answer.text


def test_the_pages_of_withdrawn_prompts_still_open(annotator: Person) -> None:
    corpus = derived_corpus()
    withdrawn(corpus)
    prompt = corpus.prompts.order_by("id")[0]
    assert "Withdrawn" in annotator.get(f"/prompts/{prompt.pk}/").text
    assert annotator.get(f"/corpora/{corpus.pk}/").status_code == 200


def test_a_withdrawn_prompt_gets_no_response_any_more() -> None:
    corpus = derived_corpus()
    withdrawn(corpus)
    assert Response.objects.exclude(text="").count() == 0
    run = service.run_create(stage_name="regenerate", values={"corpora": ["Gone"]})
    service.run_start(run)
    assert service.counts(work_on(run.pk))["read"] == 0
