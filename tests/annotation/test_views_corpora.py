"""The pages of corpora: counts, figures, what rows may be used for, and what was rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from annotation import corpus_facts
from annotation.models import Corpus, Prompt, RejectedImport
from annotation.pages.corpora import language_name
from madsafe_web.core.models import AuditEvent, Chunk, Run, User
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person, make_corpus, make_prompt, make_prompts, make_response, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def page(person: Person, corpus: Corpus, **query: Any) -> Any:
    return person.get(f"/corpora/{corpus.pk}/", query)


def reject(corpus: Corpus, row: int, raw: str = "", **values: Any) -> RejectedImport:
    values = {"run": make_run("import"), "field": "prompt", "reason": "is empty", **values}
    return RejectedImport.objects.create(corpus=corpus, row=row, raw=raw, **values)


def imported(corpus: Corpus, state: str = Chunk.State.DONE, run_state: str = Run.State.DONE, **values: Any) -> Chunk:
    """A chunk of an import into this corpus."""
    run = make_run("import", run_state, params={"files": [{"path": f"folder/{corpus.name}", "name": ""}]})
    return Chunk.objects.create(run=run, seq=0, subjects=["0"], state=state, **values)


# --- the list ---


def test_a_corpus_is_listed_with_its_counts(annotator: Person) -> None:
    corpus = make_corpus("Listed", licence="MIT")
    make_response(make_prompts(3, corpus)[0])
    reject(corpus, 4)
    row = annotator.get("/corpora/").context["corpora"][0]
    assert (row.name, row.state, row.prompts, row.responses, row.rejected) == ("Listed", "done", 3, 1, 1)


def test_what_comes_in_is_counted_at_the_next_look(annotator: Person) -> None:
    corpus = make_corpus()
    prompt = make_prompts(1, corpus)[0]
    annotator.get("/corpora/")
    make_prompts(2, corpus)
    make_response(prompt)
    row = annotator.get("/corpora/").context["corpora"][0]
    assert (row.prompts, row.responses) == (3, 1)


def test_while_a_run_is_at_work_a_count_holds_for_some_seconds(
    annotator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(corpus_facts, "monotonic", lambda: now)
    corpus = make_corpus()
    run = imported(corpus, Chunk.State.LEASED, Run.State.RUNNING).run
    make_prompts(1, corpus)

    def shown() -> tuple[int, int]:
        return annotator.get("/corpora/").context["corpora"][0].prompts, page(annotator, corpus).context[
            "facts"
        ].prompts

    assert shown() == (1, 1)
    make_prompts(2, corpus)
    now += corpus_facts.HELD_S - 0.1
    assert shown() == (1, 1)
    now += 0.2
    assert shown() == (3, 3)
    make_prompts(1, corpus)
    assert shown() == (3, 3)
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE, finished=timezone.now())
    assert shown() == (4, 4)


@pytest.mark.parametrize(
    ("run_state", "state", "shown"),
    [
        (Run.State.RUNNING, Chunk.State.LEASED, "importing"),
        (Run.State.RUNNING, Chunk.State.DONE, "done"),
        (Run.State.FAILED, Chunk.State.OPEN, "failed"),
        (Run.State.PAUSED, Chunk.State.OPEN, "paused"),
    ],
)
def test_a_corpus_shows_how_far_its_import_is(annotator: Person, run_state: str, state: str, shown: str) -> None:
    imported(make_corpus("file.json"), state, run_state)
    assert annotator.get("/corpora/").context["corpora"][0].state == shown


def test_a_withdrawn_corpus_says_so(annotator: Person) -> None:
    corpus = make_corpus(withdrawn=timezone.now())
    assert annotator.get("/corpora/").context["corpora"][0].state == "withdrawn"
    assert "Withdrawn" in page(annotator, corpus).text


def queries(person: Person, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert person.get(path).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_depend_on_the_number_of_corpora(annotator: Person) -> None:
    make_prompts(1)
    few = queries(annotator, "/corpora/")
    for number in range(10):
        make_prompts(2, make_corpus(f"Corpus {number}"))
    assert queries(annotator, "/corpora/") == few
    assert few <= 16


def test_a_second_look_counts_nothing_anew(annotator: Person) -> None:
    corpus = make_corpus()
    make_prompts(2, corpus)
    for path in ("/corpora/", f"/corpora/{corpus.pk}/"):
        annotator.get(path)
        with CaptureQueriesContext(connection) as captured:
            annotator.get(path)
        passes = [one["sql"] for one in captured if "LENGTH" in one["sql"] or "annotation_response" in one["sql"]]
        assert all("MAX(" in sql for sql in passes)


# --- one corpus ---


def test_the_page_of_a_corpus_shows_its_distributions(annotator: Person) -> None:
    corpus = make_corpus(role=Corpus.Role.BENCHMARK)
    make_prompts(3, corpus, scenario="one", attack_type="an attack")
    make_response(make_prompts(1, corpus, scenario="two")[0])
    context = page(annotator, corpus).context
    scenarios, lengths = context["figures"]
    assert [row[1:] for row in scenarios.table.rows] == [("one", 3), ("two", 1)]
    assert lengths.table.rows == (("0–10", 4),)
    assert [(one.name, one.count, one.percent) for one in context["attacks"]] == [("an attack", 3, 75)]
    assert [(one.name, one.count) for one in context["languages"]] == [("English", 4)]
    assert context["facts"].without_response == 3


def test_the_lengths_are_counted_in_characters(annotator: Person) -> None:
    corpus = make_corpus()
    for length in (10, 11, 6000):
        make_prompt("字" * length, corpus)
    rows = page(annotator, corpus).context["figures"][-1].chart.table.rows
    assert [row for row in rows if row[1]] == [("0–10", 1), ("11–20", 1), ("> 5,000", 1)]


def test_the_numbers_of_a_figure_are_had_as_csv(annotator: Person) -> None:
    corpus = make_corpus("A corpus")
    make_prompts(2, corpus, scenario="one")
    assert page(annotator, corpus, csv="fig-scenarios").content.decode().splitlines()[1] == "A corpus,one,2"
    assert page(annotator, corpus, csv="fig-none").status_code == 404


def test_every_import_stands_with_its_counts_and_warnings(annotator: Person) -> None:
    corpus = make_corpus("file.json")
    cursor = {"corpus": corpus.pk, "warnings": {"type is missing": 2}}
    imported(corpus, read=5, kept=3, duplicate=1, rejected=1, cursor=cursor)
    imported(corpus, read=1, kept=1)
    context = page(annotator, corpus).context
    assert [one.read for one in context["imports"]] == [1, 5]
    assert context["counts"] == {"read": 6, "imported": 4, "duplicates": 1, "rejected": 1}
    assert [(one.name, one.count) for one in context["warnings"]] == [("type is missing", 2)]


def test_the_mapping_that_was_used_is_shown(annotator: Person) -> None:
    text = page(annotator, make_corpus(mapping={"prompt": "column one"})).text
    assert "column one" in text and "Columns as they were read" in text


# --- what its rows may be used for ---


def test_a_lead_changes_licence_and_export_and_both_are_events(lead: Person) -> None:
    corpus = make_corpus(licence="MIT")
    assert lead.post(f"/corpora/{corpus.pk}/use/", {"licence": "CC0"}).status_code == 302
    corpus.refresh_from_db()
    assert (corpus.licence, corpus.exportable) == ("CC0", False)
    (event,) = AuditEvent.objects.filter(verb="corpus.exportable")
    assert event.facts == {"corpus": corpus.pk, "before": True, "after": False}
    assert AuditEvent.objects.get(verb="corpus.licence").facts["after"] == "CC0"


def test_what_stays_as_it_was_is_no_event(lead: Person) -> None:
    corpus = make_corpus(licence="MIT")
    lead.post(f"/corpora/{corpus.pk}/use/", {"licence": "MIT", "exportable": "on"})
    assert not AuditEvent.objects.filter(verb__startswith="corpus.").exists()


def test_a_withdrawn_corpus_cannot_be_opened_for_export(lead: Person) -> None:
    corpus = make_corpus(exportable=False, withdrawn=timezone.now())
    lead.post(f"/corpora/{corpus.pk}/use/", {"exportable": "on"})
    corpus.refresh_from_db()
    assert not corpus.exportable


def test_mixed_and_other_languages_stand_under_their_names_in_the_language_of_the_reader(annotator: Person) -> None:
    corpus = make_corpus()
    make_prompts(2, corpus, language="mixed")
    make_prompts(1, corpus, language="other")
    assert [row.name for row in page(annotator, corpus).context["languages"]] == ["Mixed", "Other languages"]
    with override("zh-hans"):
        assert [language_name(code) for code in ("mixed", "other", "fr")] == ["中英混合", "其他语言", "fr"]


# --- rejected rows ---


def test_rejected_rows_stand_with_file_number_field_reason_and_text(annotator: Person) -> None:
    corpus = make_corpus(file_name="file.json")
    reject(corpus, 7, '{"prompt": "<b>as it came"}', file="folder/member.json")
    text = page(annotator, corpus).text
    assert "folder/member.json" in text and "is empty" in text
    assert "&lt;b&gt;as it came" in text and "<b>as" not in text


def test_beside_the_download_of_rejected_rows_stands_what_it_is_for(lead: Person) -> None:
    corpus = make_corpus(exportable=False)
    RejectedImport.objects.create(run=make_run("import"), corpus=corpus, row=1, reason="empty")
    assert "for correcting them only; who takes them is written down" in lead.get(f"/corpora/{corpus.pk}/").text


def test_rejected_rows_come_in_pages(annotator: Person) -> None:
    corpus, run = make_corpus(), make_run("import")
    rows = [RejectedImport(corpus=corpus, run=run, row=number, reason="is empty") for number in range(1, 61)]
    RejectedImport.objects.bulk_create(rows)
    few = queries(annotator, f"/corpora/{corpus.pk}/")
    context = page(annotator, corpus).context
    assert (len(context["rejected"]), context["pager"].total) == (50, 60)
    following = annotator.get(f"/corpora/{corpus.pk}/?{context['pager'].next}").context
    assert [one.number for one in following["rejected"]] == list(range(10, 0, -1))
    RejectedImport.objects.filter(row__gt=3).delete()
    assert queries(annotator, f"/corpora/{corpus.pk}/") >= few - 4


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(answer).splitlines()]


def test_rejected_rows_are_downloaded_as_they_came_with_why(lead: Person) -> None:
    corpus = make_corpus(file_name="file.json")
    reject(corpus, 2, '{"prompt": 3, "type": "some"}', reason="is a number, expected a text")
    reject(corpus, 5, '"text alone"')
    reject(corpus, 9, "{cut", file="member.json")
    answer = lead.post(f"/corpora/{corpus.pk}/rejected/")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    first, second, third = lines(answer)
    assert first == {
        "prompt": 3,
        "type": "some",
        "_file": "file.json",
        "_row": 2,
        "_field": "prompt",
        "_reason": "is a number, expected a text",
    }
    assert (second["_raw"], third["_raw"], third["_file"]) == ("text alone", "{cut", "member.json")
    assert AuditEvent.objects.get(verb="corpus.rejects.export").facts["rows"] == 3


def test_downloaded_rows_come_in_again_when_they_are_corrected(lead: Person) -> None:
    corpus = make_corpus(format="alpaca", role=Corpus.Role.GENERAL)
    reject(corpus, 2, '{"instruction": 3, "input": "", "output": "a reply"}', field="instruction")
    (row,) = lines(lead.post(f"/corpora/{corpus.pk}/rejected/"))
    corrected = json.dumps({**row, "instruction": "three"}).encode()
    file = SimpleUploadedFile("corrected.jsonl", corrected)
    answer = lead.post(f"/corpora/{corpus.pk}/corrected/", {"file": file})
    run = work_on(Run.objects.get(stage="import", state=Run.State.QUEUED).pk)
    assert answer.url == f"/runs/{run.pk}/" and run.state == Run.State.DONE, run.error
    assert [prompt.text for prompt in Prompt.objects.filter(corpus=corpus)] == ["three"]


def test_rows_that_stood_under_a_name_come_in_again_under_their_type(lead: Person) -> None:
    corpus = make_corpus(format="safety_prompts", file_name="typical.json")
    reject(corpus, 2, '{"prompt": "", "response": "a reply", "type": "Insult"}')
    (row,) = lines(lead.post(f"/corpora/{corpus.pk}/rejected/"))
    corrected = [{**row, "prompt": "one"}, {**row, "prompt": "two", "type": "nosuch"}]
    content = "".join(json.dumps(one) + "\n" for one in corrected).encode()
    lead.post(f"/corpora/{corpus.pk}/corrected/", {"file": SimpleUploadedFile("corrected.jsonl", content)})
    run = work_on(Run.objects.get(stage="import", state=Run.State.QUEUED).pk)
    assert run.state == Run.State.DONE, run.error
    assert list(Prompt.objects.filter(corpus=corpus).values_list("text", "scenario")) == [("one", "Insult")]
    assert RejectedImport.objects.get(run=run).field == "type"


def test_a_corpus_of_generated_prompts_takes_no_file(lead: Person) -> None:
    corpus = make_corpus(format="generated")
    reject(corpus, 1)
    assert page(lead, corpus).context["corrected_form"] is None
    assert lead.post(f"/corpora/{corpus.pk}/corrected/").status_code == 404


def test_reasons_and_warnings_are_told_in_the_language_of_the_reader(annotator: Person) -> None:
    corpus = make_corpus("file.json")
    imported(corpus, cursor={"corpus": corpus.pk, "warnings": {"response is missing": 2}})
    reject(corpus, 3, reason="is a number, expected a text")
    User.objects.filter(pk=annotator.user.pk).update(language="zh-hans")
    text = page(annotator, corpus).text
    assert "缺少 response" in text and "是数字，应为文本" in text
