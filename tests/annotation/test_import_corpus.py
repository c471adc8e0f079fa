"""The command `import_corpus`: what it prints, how it ends, and that it goes on and repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from annotation import importing
from annotation.mappings import mapping_save
from annotation.models import Corpus, Prompt
from madsafe_web.core.models import AuditEvent, Run, RunEvent
from madsafe_web.core.runs import chain
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [{"instruction": f"row {number}", "input": "", "output": "reply"} for number in range(5)]
Command = Callable[..., "Ended"]


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            call_command("import_corpus", *map(str, arguments))
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, told.out, told.err)

    return call


def file_of(folder: Path, rows: list[Any], name: str = "rows.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_file_is_read_to_its_end_and_summed_up_in_one_line(command: Command, tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0], {"instruction": 3, "output": ""}, {"instruction": "six", "output": ""}]
    done = command("alpaca", file_of(tmp_path, rows), "--json")
    assert done.code == 0
    assert done.summary == {
        "read": 8,
        "imported": 6,
        "duplicates": 1,
        "rejected": 1,
        "reasons": {"instruction: is a number, expected a text": 1},
        "warnings": {"output is empty": 1},
        "corpus": Corpus.objects.get().pk,
    }


def test_progress_goes_to_the_other_stream(command: Command, tmp_path: Path) -> None:
    done = command("alpaca", file_of(tmp_path, ROWS), "--json")
    assert len(done.out.strip().splitlines()) == 1
    assert "5 of 5 rows (5 imported, 0 duplicates, 0 rejected)" in done.err


def test_the_format_is_found_out(command: Command, tmp_path: Path) -> None:
    assert command("auto", file_of(tmp_path, ROWS)).code == 0
    assert Corpus.objects.get().format == "alpaca"


def test_the_same_file_again_brings_no_row(command: Command, tmp_path: Path) -> None:
    path = file_of(tmp_path, ROWS)
    first, again = (command("auto", path, "--json").summary for _ in range(2))
    assert (again["imported"], again["duplicates"], again["corpus"]) == (0, 5, first["corpus"])


def test_what_is_said_about_the_corpus_is_kept(command: Command, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"prompt": "instruction"}')
    arguments = ("--name", "Some", "--role", "benchmark", "--split", "dev", "--mapping", mapping)
    assert command("generic", file_of(tmp_path, ROWS), *arguments).code == 0
    corpus = Corpus.objects.get()
    assert (corpus.name, corpus.role, corpus.split) == ("Some", "benchmark", "dev")
    assert corpus.mapping == {"prompt": "instruction"}


def test_a_guessed_mapping_is_written_down(command: Command, tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"query": "one", "reply": "two"}])
    assert command("auto", path).code == 0
    assert Corpus.objects.get().mapping["prompt"] == "query"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none", "rows.json"), "There is no format 'none'"),
        (("alpaca", "no-such.json"), "There is no file"),
        (("alpaca", "rows.json", "--answers", "no-such.json"), "There is no file"),
        (("generic", "rows.json", "--mapping", "bad.json"), "which column is the prompt"),
        (("generic", "rows.json", "--mapping", "broken.json"), "cannot be read as JSON"),
        (("auto", "numbers.json"), "no format fits"),
        (("alpaca", "rows.json", "--as", "nobody"), "there is no active person"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_status_2(
    arguments: tuple[str, ...], words: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file_of(tmp_path, ROWS)
    file_of(tmp_path, [{"x": 1}, {"x": 2}], "numbers.json")
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "broken.json").write_text("{")
    done = command(*arguments)
    assert done.code == 2 and words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Run.objects.exists()


def test_an_unknown_role_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--role"):
        call_command("import_corpus", "alpaca", str(file_of(tmp_path, ROWS)), "--role", "none")


def test_a_file_that_cannot_be_imported_fails(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS)[:-30])
    done = command("alpaca", path, "--json")
    assert done.code == 1 and "ends in the middle" in done.err
    assert done.summary["read"] == 0 and not Prompt.objects.exists()


def test_ctrl_c_pauses_and_the_same_command_goes_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, ROWS)
    work = chain.work_to_end

    def interrupted(run: Run, *rest: Any) -> None:
        chain.begin(run, None)
        raise KeyboardInterrupt

    monkeypatch.setattr(chain, "work_to_end", interrupted)
    assert command("alpaca", path).code == 3
    assert Run.objects.get().state == Run.State.PAUSED
    monkeypatch.setattr(chain, "work_to_end", work)
    assert command("alpaca", path, "--json").summary["imported"] == 5
    assert Run.objects.get().state == Run.State.DONE


def test_an_import_that_broke_goes_on_in_the_same_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, ROWS)
    with monkeypatch.context() as broken:
        broken.setattr(importing, "sha256_file", lambda _: 1 / 0)
        assert command("alpaca", path).code == 1
    assert command("alpaca", path).code == 0
    assert Run.objects.count() == 1


def test_an_import_goes_on_with_its_own_mapping_when_another_was_saved_since(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, [{"ask": f"one {number}", "said": f"a {number}"} for number in range(5)])
    mapping_save(columns=("ask", "said"), mapping={"prompt": "ask"}, user=None)
    with monkeypatch.context() as broken:
        broken.setattr(importing, "store", lambda *_: 1 / 0)
        assert command("auto", path).code == 1
    mapping_save(columns=("ask", "said"), mapping={"prompt": "said"}, user=None)
    assert command("auto", path).code == 0
    assert Run.objects.count() == 1
    assert set(Prompt.objects.values_list("text", flat=True)) == {f"one {number}" for number in range(5)}


def test_an_import_that_broke_begins_anew_with_a_mapping_that_is_given(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mapping = file_of(tmp_path, ROWS), tmp_path / "mapping.json"
    with monkeypatch.context() as broken:
        broken.setattr(importing, "store", lambda *_: 1 / 0)
        assert command("generic", path).code == 1
    mapping.write_text('{"prompt": "output"}')
    assert command("generic", path, "--name", "other", "--mapping", mapping).code == 0
    assert Run.objects.count() == 2


def test_an_import_that_broke_begins_anew_with_other_answers(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, answers = file_of(tmp_path, ROWS), tmp_path / "answers.json"
    answers.write_text("{}")
    with monkeypatch.context() as broken:
        broken.setattr(importing, "store", lambda *_: 1 / 0)
        assert command("alpaca", path, "--answers", answers).code == 1
    answers.write_text("[]")
    assert command("alpaca", path, "--answers", answers).code == 0
    assert Run.objects.count() == 2


def test_the_record_names_who_is_meant(command: Command, tmp_path: Path) -> None:
    lead = make_user("lead", "lead")
    assert command("alpaca", file_of(tmp_path, ROWS), "--as", "lead").code == 0
    assert Run.objects.get().actor == lead
    assert {event.actor for event in AuditEvent.objects.filter(verb__startswith="run.")} == {lead}


def test_files_that_are_passed_over_are_named(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    file_of(folder, ROWS)
    (folder / "notes.txt").write_text("a prompt of its own\n")
    done = command("alpaca", folder, "--json")
    told = "notes.txt was passed over: its ending is none of those of data"
    assert done.summary["warnings"] == {told: 1}
    assert f"{told}." in done.err
    assert RunEvent.objects.filter(text__contains=told).exists()
