"""Folders, archives and every real file through the engine: what is counted and kept in the database."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from annotation.models import Corpus, Prompt, RejectedImport, Response
from madsafe_web.core.runs import service
from tests.annotation.test_importers_real import COUNTS, DATA, SAFETYBENCH
from tests.annotation.test_importers_sets import CMMLU, folder, lines, zipped
from tests.annotation.test_importing import run_import

pytestmark = pytest.mark.django_db(transaction=True)


def test_rejected_rows_of_an_archive_keep_their_member_and_their_text(tmp_path: Path) -> None:
    bad = {**CMMLU, "test/law.csv": ",Question,A,B,C,D,Answer\n0,甲？,一,,三,四,B\n", "x.csv": "y,z\n1,2\n"}
    path = zipped(tmp_path, bad)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../up.csv", "1")
    run = run_import({"path": str(path), "format": "cmmlu"})
    assert service.counts(run) == {"read": 6, "kept": 3, "duplicate": 0, "rejected": 3, "failed": 0}
    found = {one.file: (one.row, one.field) for one in RejectedImport.objects.all()}
    assert found == {"test/law.csv": (1, "B"), "x.csv": (1, ""), "../up.csv": (1, "")}
    assert json.loads(RejectedImport.objects.get(file="test/law.csv").raw)["Question"] == "甲？"


def test_members_with_very_long_names_are_told_apart(tmp_path: Path) -> None:
    names = [f"{'a' * 250}{number}.csv" for number in range(2)]
    path = zipped(tmp_path, {**CMMLU, **dict.fromkeys(names, "y,z\n1,2\n")})
    run_import({"path": str(path), "format": "cmmlu"})
    assert RejectedImport.objects.count() == 2


def test_a_dataset_folder_takes_licence_and_export_from_its_card(tmp_path: Path) -> None:
    card = "---\nlicense: cc-by-nc-4.0\n---\n"
    path = folder(tmp_path, {"README.md": card, "a.jsonl": lines({"question": "q", "answer": "a"})})
    first = run_import({"path": str(path), "format": "hf_dataset", "name": "set"})
    again = run_import({"path": str(path), "format": "hf_dataset", "name": "set"})
    corpus = Corpus.objects.get()
    assert (corpus.licence, corpus.exportable, corpus.role) == ("cc-by-nc-4.0", False, "alignment")
    assert (service.counts(first)["kept"], service.counts(again)["duplicate"]) == (1, 1)


def test_every_real_file_comes_into_the_database_with_its_counts() -> None:
    if not DATA.is_dir():
        pytest.skip("there is no data beside the repository (../shared/data)")
    files = [
        {"path": str(DATA / str(name)), "format": str(importer), "name": str(name)} for importer, name, *_ in COUNTS
    ]
    answers = {"answers": str(DATA / "safetybench/test_answers_zh.json")}
    run = run_import(*files, {"path": str(DATA / SAFETYBENCH), "format": "safetybench", **answers})
    bench = ("safetybench", SAFETYBENCH, 2100, 2100, 0, 0, 2, 2100, 0, 7)
    read, kept, duplicate, rejected, _, prompts, responses, _ = (
        sum(int(case[column]) for case in [*COUNTS, bench]) for column in range(2, 10)
    )
    assert service.counts(run) == {
        "read": read,
        "kept": kept,
        "duplicate": duplicate,
        "rejected": rejected,
        "failed": 0,
    }
    assert (Prompt.objects.count(), Response.objects.count(), RejectedImport.objects.count()) == (
        prompts,
        responses,
        rejected,
    )
    assert kept + duplicate + rejected == read
