from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.training.config import DatasetError, TrainingConfig, Written, checked, write

ROW = {"instruction": "解释交通规则", "input": "", "output": "红灯停。"}


def written(tmp_path: Path, rows: list[dict[str, Any]] | None = None, **settings: Any) -> Written:
    dataset = tmp_path / "export.json"
    dataset.write_text(json.dumps(rows or [ROW], ensure_ascii=False), encoding="utf-8")
    return write(tmp_path / "run", TrainingConfig("model", **settings), dataset)


def settings_of(result: Written) -> dict[str, Any]:
    loaded = yaml.safe_load(result.yaml.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_the_defaults_are_the_papers_settings(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path))
    expected = {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 50,
        "learning_rate": 6e-7,
        "warmup_steps": 0.0005,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": 3.0,
        "finetuning_type": "full",
    }
    assert {name: settings[name] for name in expected} == expected


def test_small_learning_rates_stay_numbers_in_yaml(tmp_path: Path) -> None:
    assert isinstance(settings_of(written(tmp_path, learning_rate=6e-7))["learning_rate"], float)


def test_whole_numbers_of_epochs_are_written_as_floats(tmp_path: Path) -> None:
    assert "num_train_epochs: 2.0" in written(tmp_path, epochs=2).yaml.read_text()


def test_saving_nothing_is_written_as_text_not_as_false(tmp_path: Path) -> None:
    assert settings_of(written(tmp_path, save_strategy="no"))["save_strategy"] == "no"


def test_a_second_start_resumes_instead_of_deleting(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path))
    assert settings["overwrite_output_dir"] is False
    assert "resume_from_checkpoint" not in settings


def test_every_written_row_has_the_three_mapped_columns(tmp_path: Path) -> None:
    result = written(tmp_path, [{"instruction": "a", "output": "b", "id": 1}])
    info = json.loads(result.dataset_info.read_text())["safe_sft"]
    data = (result.dataset_info.parent / info["file_name"]).read_text(encoding="utf-8")
    assert json.loads(data) == {"instruction": "a", "input": "", "output": "b"}


def test_lines_and_lists_are_both_read(tmp_path: Path) -> None:
    dataset = tmp_path / "export.jsonl"
    dataset.write_text(json.dumps(ROW) + "\n\n" + json.dumps({**ROW, "input": "x"}) + "\n")
    assert write(tmp_path / "run", TrainingConfig("model"), dataset).rows == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**ROW, "output": " "}, "Row 2 has no output."),
        ({**ROW, "instruction": None}, "Row 2 has no instruction."),
        ({"output": "b"}, "Row 2 has no instruction."),
        ({**ROW, "instruction": "new", "input": 5}, "Row 2 has an input that is no text."),
        ("text", "Row 2 is no object."),
        ({**ROW, "output": "other"}, "Row 2 repeats the instruction of row 1."),
    ],
)
def test_a_row_that_would_be_trained_on_silently_is_refused(row: Any, problem: str) -> None:
    with pytest.raises(DatasetError) as caught:
        checked([ROW, row])
    assert caught.value.problems == [problem]


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DatasetError, match="no row to train on"):
        checked([])


def test_only_the_first_problems_are_listed() -> None:
    with pytest.raises(DatasetError) as caught:
        checked([{}] * 500)
    assert len(caught.value.problems) == 10


@pytest.mark.parametrize(("name", "text"), [("a.json", "[{"), ("a.jsonl", '{"a'), ("a.json", '{"a": 1}')])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=name):
        write(tmp_path / "run", TrainingConfig("model"), tmp_path / name)


def test_a_missing_data_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no data file"):
        write(tmp_path / "run", TrainingConfig("model"), tmp_path / "none.json")


@pytest.mark.parametrize(
    "setting", [{"batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": 2}, {"warmup": 1.0}, {"epochs": 0}]
)
def test_a_setting_out_of_range_is_named(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        TrainingConfig("model", **setting)
