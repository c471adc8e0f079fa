"""Importing through the engine: counts, identity, broken files, and going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from annotation import feeding, importing, storing
from annotation.importers.base import ImportedResponse, ImportedRow, RejectedRow
from annotation.models import Corpus, Prompt, RejectedImport, Response
from annotation.searching import matching
from annotation.stages.import_ import File
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.factories import make_corpus, make_prompt, make_run

pytestmark = pytest.mark.django_db(transaction=True)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the public data beside the repository is not here")


def run_import(*files: dict[str, Any]) -> Run:
    run = service.run_create(stage_name="import", values={"files": list(files)})
    service.run_start(run)
    return work_on(run.pk)


def pairs(path: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return {"path": str(path), "format": "cvalues_comparison", "name": path.stem}


def row(prompt: Any, good: str = "建议寻求帮助。", bad: str = "随便。") -> dict[str, Any]:
    return {"prompt": prompt, "pos_resp": good, "neg_resp": bad, "pos_type": "拒绝为主", "neg_type": "风险回复"}


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    run = run_import(pairs(tmp_path / "a.jsonl", [row("一"), row("二"), row("一"), row(3)]))
    assert service.counts(run) == {"read": 4, "kept": 2, "duplicate": 1, "rejected": 1, "failed": 0}


def test_a_known_prompt_with_a_new_response_counts_as_imported(tmp_path: Path) -> None:
    run = run_import(pairs(tmp_path / "a.jsonl", [row("一"), row("一", good="请先报告。")]))
    assert service.counts(run)["kept"] == 2
    assert (Prompt.objects.count(), Response.objects.count()) == (1, 3)


def test_the_text_is_stored_as_it_came(tmp_path: Path) -> None:
    text = "\ufeff 全角，标点ＡＢＣ \u200b"
    run_import(pairs(tmp_path / "a.jsonl", [row(text)]))
    assert Prompt.objects.get().text == text


def test_a_rejected_row_is_kept_with_its_number_field_and_reason(tmp_path: Path) -> None:
    run_import(pairs(tmp_path / "a.jsonl", [row("一"), row(3)]))
    reject = RejectedImport.objects.get()
    assert (reject.row, reject.field) == (2, "prompt")
    assert "number" in reject.reason


def test_the_same_file_again_brings_nothing_new(tmp_path: Path) -> None:
    file = pairs(tmp_path / "a.jsonl", [row("一"), row("二")])
    run_import(file)
    assert service.counts(run_import(file)) == {"read": 2, "kept": 0, "duplicate": 2, "rejected": 0, "failed": 0}


def test_a_file_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(
        '{"Insult": [{"prompt": "一", "response": "二", "type": "Insult"}, {"prompt": "三', encoding="utf-8"
    )
    run = run_import({"path": str(path), "format": "safety_prompts"})
    assert run.state == Run.State.FAILED
    assert "cut.json" in run.error and "Nothing of this file was imported." in run.error
    assert not Corpus.objects.exists() and not Prompt.objects.exists()


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    run = run_import({**pairs(tmp_path / "a.jsonl", [row("一")]), "format": "parquet"})
    assert run.error.startswith("There is no format 'parquet'. Known: alpaca, ")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    run = run_import({"path": str(tmp_path / "gone.jsonl"), "format": "s_eval"})
    assert "There is no file" in run.error


def test_another_file_under_the_name_of_a_corpus_is_refused(tmp_path: Path) -> None:
    run_import(pairs(tmp_path / "a.jsonl", [row("一")]))
    run = run_import(pairs(tmp_path / "a.jsonl", [row("二")]))
    assert "already a corpus 'a' from another file" in run.error


def test_corrected_rows_go_into_the_corpus_that_they_were_rejected_from(tmp_path: Path) -> None:
    run_import(pairs(tmp_path / "a.jsonl", [row("一"), row(3)]))
    corpus = Corpus.objects.get()
    about = {"_file": "a.jsonl", "_row": 2, "_field": "prompt", "_reason": "is a number, expected a text"}
    corrected = pairs(tmp_path / "corrected.jsonl", [{**row("三"), **about}])
    run = run_import({**corrected, "into": corpus.pk})
    assert service.counts(run) == {"read": 1, "kept": 1, "duplicate": 0, "rejected": 0, "failed": 0}
    assert set(Prompt.objects.values_list("corpus", "text")) == {(corpus.pk, "一"), (corpus.pk, "三")}
    assert Corpus.objects.get().sha256 == corpus.sha256


def test_corrected_rows_of_no_corpus_are_refused(tmp_path: Path) -> None:
    run = run_import({**pairs(tmp_path / "a.jsonl", [row("一")]), "into": 7})
    assert "There is no corpus 7" in run.error and not Corpus.objects.exists()


def test_neither_a_withdrawn_corpus_nor_its_file_takes_rows_again(tmp_path: Path) -> None:
    file = pairs(tmp_path / "a.jsonl", [row("一")])
    run_import(file)
    Corpus.objects.update(withdrawn=timezone.now())
    other = pairs(tmp_path / "b.jsonl", [row("二")])
    for again in (file, {**file, "name": "another name"}, {**other, "into": Corpus.objects.get().pk}):
        assert "The corpus 'a' was withdrawn" in run_import(again).error
    assert Prompt.objects.count() == 1


def test_an_import_stopped_in_the_middle_goes_on_and_counts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "BATCH_ROWS", 2)
    file = pairs(tmp_path / "a.jsonl", [row("一"), row("二"), row("一"), row(3), row("五")])
    original, calls = importing.store, []

    def dies_at_the_second_batch(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("killed")
        original(*arguments)

    monkeypatch.setattr(importing, "store", dies_at_the_second_batch)
    run = run_import(file)
    assert (run.state, Prompt.objects.count()) == (Run.State.FAILED, 2)
    assert service.run_start(run)
    run = work_on(run.pk)
    assert service.counts(run) == {"read": 5, "kept": 3, "duplicate": 1, "rejected": 1, "failed": 0}
    assert run.state == Run.State.DONE


def test_an_import_does_not_go_on_with_other_answers_than_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text("{}")
    file = {**pairs(tmp_path / "a.jsonl", [row("一"), row("二")]), "answers": str(answers)}
    with monkeypatch.context() as broken:
        broken.setattr(importing, "store", lambda *_: 1 / 0)
        run = run_import(file)
    answers.write_text("[]")
    assert service.run_start(run)
    assert "a.jsonl, or a file that goes with it, changed since its import began" in work_on(run.pk).error
    assert not Prompt.objects.exists()


def test_a_non_commercial_format_is_not_for_export_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    ext = json.dumps({"model": "base_risk"})
    path.write_text(json.dumps({"traceid": "a" * 32, "risk_type": "Cybersecurity", "prompt": "一", "ext": ext}))
    run_import({"path": str(path), "format": "s_eval", "name": "closed"})
    run_import({"path": str(path), "format": "s_eval", "name": "open", "exportable": True})
    assert dict(Corpus.objects.values_list("name", "exportable")) == {"closed": False, "open": True}


def test_a_non_commercial_licence_that_is_declared_counts_too(tmp_path: Path) -> None:
    run_import({**pairs(tmp_path / "a.jsonl", [row("一")]), "licence": "CC BY-NC 4.0"})
    assert not Corpus.objects.get().exportable


@pytest.mark.parametrize(
    ("licence", "exportable"),
    [
        ("MIT Licence", True),
        ("Apache-2.0", True),
        ("", True),
        ("cc-by-nc-4.0", False),
        ("CC_BY_NC", False),
        ("Non-Commercial use only", False),
        ("noncommercial", False),
        ("Research only", False),
        ("For research purposes only", False),
    ],
)
def test_a_licence_says_whether_rows_may_be_exported(tmp_path: Path, licence: str, exportable: bool) -> None:
    run_import({**pairs(tmp_path / "a.jsonl", [row("一")]), "licence": licence})
    assert Corpus.objects.get().exportable == exportable


@pytest.mark.parametrize("same", [True, False])
def test_two_imports_at_once_under_one_name_join_or_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    file = pairs(tmp_path / "a.jsonl", [row("一")])
    find, looked = importing._corpus, []

    def made_meanwhile(declared: File, name: str, sha256: str) -> Corpus | None:
        if not looked:
            looked.append(find(declared, name, sha256))
            make_corpus(name, sha256=sha256 if same else "0" * 64)
            return looked[0]
        return find(declared, name, sha256)

    monkeypatch.setattr(importing, "_corpus", made_meanwhile)
    run = run_import(file)
    assert looked == [None]
    assert run.error == "" if same else "already a corpus 'a' from another file" in run.error
    assert Prompt.objects.count() == int(same)


@needs_shared
def test_the_messy_real_file_comes_out_as_its_manifest_says() -> None:
    path = SHARED / "safety_prompts" / "typical_safety_scenarios.messy.json"
    run = run_import({"path": str(path), "format": "safety_prompts"})
    assert service.counts(run) == {"read": 1107, "kept": 1055, "duplicate": 49, "rejected": 3, "failed": 0}


def test_a_value_too_long_for_its_column_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    line = {"traceid": "a" * 65, "risk_type": "b" * 81, "prompt": "一", "ext": json.dumps({"category": "c" * 41})}
    path.write_text(json.dumps(line), encoding="utf-8")
    run = run_import({"path": str(path), "format": "s_eval"})
    prompt = Prompt.objects.get()
    assert (prompt.source_id, prompt.scenario, prompt.attack_type) == ("a" * 64, "b" * 80, "c" * 40)
    assert prompt.payload["too_long"] == {"source_id": "a" * 65, "scenario": "b" * 81, "attack_type": "c" * 41}
    warnings = run.chunks.get().cursor["warnings"]
    assert warnings["scenario is too long for its column; the whole of it is in the payload"] == 1


def test_long_kinds_of_responses_are_kept_whole_for_new_and_for_known_prompts() -> None:
    corpus, run = make_corpus(), make_run("import")
    for text in ("一", "二"):
        row = ImportedRow("1", "a prompt", (ImportedResponse(text, f"{'k' * 40}{text}"),))
        store_all(run, corpus, row)
    assert Prompt.objects.get().payload == {"too_long": {"kinds": ["k" * 40 + "一", "k" * 40 + "二"]}}
    assert list(Response.objects.values_list("kind", flat=True)) == ["k" * 40] * 2


def store_all(run: Run, corpus: Corpus, *rows: ImportedRow | RejectedRow) -> None:
    with transaction.atomic():
        storing.store(
            run,
            corpus,
            storing.sort_rows(corpus, [row if isinstance(row, RejectedRow) else feeding.ready(row) for row in rows]),
        )


def test_the_room_for_texts_is_that_of_the_columns() -> None:
    room = {name: Prompt._meta.get_field(name).max_length for name in storing.ROOM}
    assert (room, Response._meta.get_field("kind").max_length) == (storing.ROOM, storing.KIND_ROOM)


def test_a_rejected_row_keeps_its_file_and_what_stood_in_it() -> None:
    store_all(make_run("import"), make_corpus(), RejectedRow(3, "prompt", "is empty", "part/a.jsonl", '{"prompt": ""}'))
    assert RejectedImport.objects.values_list("file", "row", "raw").get() == ("part/a.jsonl", 3, '{"prompt": ""}')


def test_an_imported_prompt_is_found_by_its_text(tmp_path: Path) -> None:
    run_import(pairs(tmp_path / "a.jsonl", [row("全角，標點ＡＢＣ"), row("二")]))
    assert matching(Prompt.objects.all(), "标点abc").get().text == "全角，標點ＡＢＣ"


def test_ids_given_to_imported_prompts_are_not_given_again(tmp_path: Path) -> None:
    run_import(pairs(tmp_path / "a.jsonl", [row("一"), row("二")]))
    newest = Prompt.objects.order_by("-pk").values_list("pk", flat=True)[0]
    assert make_prompt("三", make_corpus()).pk > newest


def test_batches_of_long_rows_are_small() -> None:
    rows = [ImportedRow("", "x" * (feeding.BATCH_CHARACTERS // 2 + 1)) for _ in range(4)]
    assert [len(batch) for batch in feeding._batches(iter(rows), 5000)] == [2, 2]


def test_a_corpus_withdrawn_in_the_middle_takes_no_more_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "BATCH_ROWS", 1)
    original = importing.sort_rows

    def withdrawn_after_the_first(corpus: Corpus, rows: Any) -> Any:
        batch = original(corpus, rows)
        Corpus.objects.update(withdrawn=timezone.now())
        return batch

    monkeypatch.setattr(importing, "sort_rows", withdrawn_after_the_first)
    run = run_import(pairs(tmp_path / "a.jsonl", [row("一"), row("二")]))
    assert "was withdrawn while it was imported" in run.error
    assert Prompt.objects.count() == 1
