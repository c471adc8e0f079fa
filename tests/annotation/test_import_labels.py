"""The command `import_labels`: labels alone and links, what is rejected, and that it goes on and repeats nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import translation

from annotation import label_import
from annotation.merge.drafts import map_draft_open
from annotation.models import Corpus, IntentLabel, LabelSpelling, PromptIntent
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs.stage import Outcome
from tests.factories import Person, make_corpus, make_prompt, make_user, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
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
            call_command("import_labels", *map(str, arguments), "--json")
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, told.out, told.err)

    return call


@pytest.fixture
def corpus() -> Corpus:
    """A corpus of three prompts; two of them say which row of the source they are."""
    made = make_corpus()
    for source in ("a", "b", ""):
        make_prompt(f"prompt {source}", made, source_id=source)
    return made


def file_of(folder: Path, rows: list[Any], name: str = "labels.jsonl") -> Path:
    path = folder / name
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def links() -> list[tuple[str, str, int]]:
    rows = PromptIntent.objects.order_by("prompt", "position")
    return list(rows.values_list("prompt__source_id", "label__name", "position"))


def test_spellings_of_one_label_are_one_label(command: Command, tmp_path: Path) -> None:
    done = command(file_of(tmp_path, [{"label": "Fraud"}, {"label": " fraud"}, {"label": "欺诈"}]))
    assert (done.code, done.summary) == (0, {"read": 3, "labels": 2, "links": 0, "rejected": 0})
    assert set(LabelSpelling.objects.values_list("text", flat=True)) == {"Fraud", "fraud", "欺诈"}


def test_a_label_is_named_as_it_was_first_written(command: Command, tmp_path: Path) -> None:
    command(file_of(tmp_path, [{"label": "Fraud"}, {"label": "FRAUD"}]))
    assert IntentLabel.objects.get().name == "Fraud"


def test_imported_labels_wait_to_be_merged_though_no_prompt_carries_them(command: Command, tmp_path: Path) -> None:
    command(file_of(tmp_path, [{"label": "fraud"}]))
    assert [entry.label.name for entry in map_draft_open().entries.all()] == ["fraud"]


def test_prompts_get_their_labels_in_the_order_of_the_file(command: Command, corpus: Corpus, tmp_path: Path) -> None:
    rows = [{"traceid": one, "label": label} for one, label in (("a", "x"), ("b", "y"), ("a", "y"), ("a", "X"))]
    done = command(file_of(tmp_path, rows, "links.jsonl.gz"), "--corpus", corpus.pk)
    assert done.summary == {"read": 4, "labels": 2, "links": 3, "rejected": 0}
    assert links() == [("a", "x", 0), ("a", "y", 1), ("b", "y", 0)]


def test_a_rejected_row_is_kept_and_told_with_its_reason(command: Command, corpus: Corpus, tmp_path: Path) -> None:
    rows = [{"traceid": "a", "label": "x"}, {"traceid": "c", "label": "x"}, {"traceid": "a"}, {"label": "x"}, 5]
    done = command(file_of(tmp_path, rows), "--corpus", corpus.pk)
    assert done.summary == {"read": 5, "labels": 1, "links": 1, "rejected": 4}
    assert "labels.jsonl, row 2: traceid names no prompt of the corpus" in done.err
    kept = Run.objects.get().rows.filter(outcome=Outcome.REJECTED).order_by("pk")
    assert list(kept.values_list("subject", "error_class")) == [
        ("2", "traceid"),
        ("3", "label"),
        ("4", "traceid"),
        ("5", ""),
    ]
    assert list(Run.objects.get().trails.order_by("pk").values_list("subject", "raw")) == [
        ("2", '{"traceid": "c", "label": "x"}'),
        ("3", '{"traceid": "a"}'),
        ("4", '{"label": "x"}'),
        ("5", "5"),
    ]


def test_a_row_that_is_no_json_is_kept_as_it_stood(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"label": "x"}\n{"label": <b>\n', encoding="utf-8")
    assert command(path).summary["rejected"] == 1
    assert Run.objects.get().trails.get().raw == '{"label": <b>'


def test_rejected_rows_stand_among_the_failed_ones_of_the_run(command: Command, tmp_path: Path) -> None:
    command(file_of(tmp_path, [{"label": "x"}, {"label": "<b>y", "traceid": "a"}, 5]))
    run, lead = Run.objects.get(), sign_in(make_user("lead", User.Role.LEAD))
    assert f'href="{reverse("runs:failed", args=[run.pk])}' in shown(lead, "runs:detail", run)
    html = shown(lead, "runs:failed", run)
    for part in ("labels.jsonl", "<code>traceid</code>", "names a prompt", "&lt;b&gt;y", "is no object"):
        assert part in html
    assert "Retry" not in html
    assert "is no object" not in shown(lead, "runs:failed", run, kind="traceid")


def test_rejected_rows_are_told_in_the_language_of_the_reader(command: Command, corpus: Corpus, tmp_path: Path) -> None:
    command(file_of(tmp_path, [{"label": "x"}]), "--corpus", corpus.pk)
    lead = sign_in(make_user("lead", User.Role.LEAD))
    User.objects.update(language="zh-hans")
    html = shown(lead, "runs:failed", Run.objects.get())
    assert translated("is missing or empty") in html and "is missing or empty" not in html


def translated(text: str) -> str:
    with translation.override("zh-hans"):
        return str(translation.gettext(text))


def shown(person: Person, name: str, run: Run, **query: str) -> str:
    answer = person.get(reverse(name, args=[run.pk]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_links_without_a_corpus_are_no_labels(command: Command, tmp_path: Path) -> None:
    done = command(file_of(tmp_path, [{"traceid": "a", "label": "x"}]))
    assert (done.summary["rejected"], IntentLabel.objects.count()) == (1, 0)


def test_a_file_is_imported_once(command: Command, corpus: Corpus, tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"traceid": "a", "label": "x"}])
    first, second = command(path, "--corpus", corpus.pk), command(path, "--corpus", corpus.pk)
    assert first.summary == second.summary
    assert (Run.objects.count(), len(links())) == (1, 1)


def test_a_file_that_changed_is_another_labelling_run(command: Command, corpus: Corpus, tmp_path: Path) -> None:
    command(file_of(tmp_path, [{"traceid": "a", "label": "x"}]), "--corpus", corpus.pk)
    command(file_of(tmp_path, [{"traceid": "a", "label": "y"}]), "--corpus", corpus.pk)
    assert (Run.objects.count(), len(links())) == (2, 2)


def test_an_import_that_broke_off_goes_on_where_it_was(
    command: Command, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"traceid": one, "label": label} for label in ("x", "y", "z") for one in ("a", "b")]
    path, store = file_of(tmp_path, rows), label_import._Import._store
    monkeypatch.setattr(label_import, "BATCH_ROWS", 2)

    def broken(self: Any, batch: Any) -> dict[str, int]:
        if self.job.cursor["done"] == 2:
            raise OSError("the disk is gone")
        return store(self, batch)

    monkeypatch.setattr(label_import._Import, "_store", broken)
    assert command(path, "--corpus", corpus.pk).code != 0
    assert len(links()) == 2
    monkeypatch.setattr(label_import._Import, "_store", store)
    done = command(path, "--corpus", corpus.pk)
    assert (done.code, done.summary) == (0, {"read": 6, "labels": 3, "links": 6, "rejected": 0})
    assert [position for _source, _label, position in links()] == [0, 1, 2, 0, 1, 2]


def test_a_file_that_is_not_there_is_told(command: Command, tmp_path: Path) -> None:
    done = command_failing(command, tmp_path / "none.jsonl")
    assert done.startswith("There is no file")


def test_a_corpus_that_is_not_there_is_told(command: Command, tmp_path: Path) -> None:
    done = command_failing(command, file_of(tmp_path, []), "--corpus", 99)
    assert done.startswith("There is no corpus 99")


def command_failing(command: Command, *arguments: object) -> str:
    done = command(*arguments)
    assert done.code == 2
    return done.err


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real data is not there")
def test_the_real_labels_of_many_sources_load(command: Command) -> None:
    done = command(SHARED / "labels" / "intent_labels_free_text.jsonl")
    assert done.summary == {"read": 633, "labels": 567, "links": 0, "rejected": 0}
