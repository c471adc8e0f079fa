"""What a training run is given: the settings, the rows, and the files LLaMA-Factory reads them from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from django.utils.translation import gettext as _

DATASET = "safe_sft"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of one supervised fine-tuning run; the numbers that the paper gives are the defaults.

    warmup    share of all steps (0 <= warmup < 1); the first step has learning rate 0 all the same
    threads   CPU threads of the training process; one is by far the fastest for tiny models
    """

    model: str
    template: str = "llama3"
    cutoff_len: int = 2048
    batch_size: int = 1
    accumulation: int = 50
    learning_rate: float = 6e-7
    warmup: float = 0.0005
    scheduler: str = "cosine"
    epochs: float = 3.0
    max_steps: int = -1
    seed: int = 42
    device: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = False
    save_strategy: Literal["no", "epoch", "steps"] = "epoch"
    save_steps: int = 500
    save_total_limit: int = 2
    threads: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError naming the first setting that is out of range."""
        for name in ("cutoff_len", "batch_size", "accumulation", "save_steps", "save_total_limit", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1.")
        if not 0 < self.learning_rate < 1:
            raise ValueError("learning_rate must be above 0 and below 1.")
        if not 0 <= self.warmup < 1:
            raise ValueError("warmup is a share of all steps: at least 0 and below 1.")
        if self.epochs <= 0:
            raise ValueError("epochs must be above 0.")


@dataclass(frozen=True, slots=True)
class Row:
    """One Alpaca row. `input` may be empty, the others may not."""

    instruction: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Written:
    yaml: Path
    dataset_info: Path
    output: Path
    rows: int


class DatasetError(ValueError):
    """The rows cannot be trained on. `problems` names them one by one, at most SHOWN_PROBLEMS."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def write(folder: Path, config: TrainingConfig, dataset: Path) -> Written:
    """Write train.yaml, dataset/dataset_info.json and the checked rows below `folder`.

    The rows are written anew with exactly the three mapped columns: LLaMA-Factory fails on a row without `input` and
    trains silently on empty ones. Raises DatasetError for rows that are empty, repeated or unreadable.
    """
    data = folder / "dataset"
    data.mkdir(parents=True, exist_ok=True)
    file_name = f"{DATASET}.jsonl"
    rows = checked(read_rows(dataset))
    with (data / file_name).open("w", encoding="utf-8") as file:
        for row in rows:
            record = {"instruction": row.instruction, "input": row.input, "output": row.output}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    info = {DATASET: {"file_name": file_name, "formatting": "alpaca", "columns": columns}}
    (data / "dataset_info.json").write_text(json.dumps(info, indent=2), encoding="utf-8")
    output = (folder / "output").resolve()
    settings = as_settings(config, data.resolve(), output)
    # YAML, never JSON: LLaMA-Factory 0.9.5 fails on a .json file. safe_dump quotes "no" and writes 6.0e-07, a float.
    (folder / "train.yaml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return Written(folder / "train.yaml", data / "dataset_info.json", output, len(rows))


def as_settings(config: TrainingConfig, data: Path, output: Path) -> dict[str, Any]:
    """LLaMA-Factory's own names for the settings (docs and src/llamafactory/hparams@v0.9.5)."""
    return {
        "model_name_or_path": config.model,
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "dataset_dir": str(data),
        "dataset": DATASET,
        "template": config.template,
        "cutoff_len": config.cutoff_len,
        "preprocessing_num_workers": 1,
        "overwrite_cache": True,
        "output_dir": str(output),
        # False makes a second start go on from the last checkpoint; True would delete the log and begin anew.
        "overwrite_output_dir": False,
        "logging_steps": 1,
        "save_strategy": config.save_strategy,
        "save_steps": config.save_steps,
        "save_total_limit": config.save_total_limit,
        "plot_loss": False,
        "report_to": "none",
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": float(config.learning_rate),
        "num_train_epochs": float(config.epochs),
        "max_steps": config.max_steps,
        "lr_scheduler_type": config.scheduler,
        # The paper's warm-up ratio: warmup_ratio is deprecated, a float below 1 means the same here.
        "warmup_steps": float(config.warmup),
        "seed": config.seed,
        "use_cpu": config.device == "cpu",
        "bf16": config.bf16,
    }


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a .json array or a .jsonl file. Raises DatasetError when the file is missing or unreadable."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            if path.suffix == ".jsonl":
                yield from (json.loads(line) for line in file if line.strip())
                return
            records = json.load(file)
    except FileNotFoundError as error:
        raise DatasetError([_("There is no data file %(path)s.") % {"path": path}]) from error
    except ValueError as error:
        raise DatasetError([_("%(file)s cannot be read: %(error)s.") % {"file": path.name, "error": error}]) from error
    if not isinstance(records, list):
        raise DatasetError([_("%(file)s must hold a list of rows.") % {"file": path.name}])
    yield from records


def checked(records: Iterable[Any]) -> list[Row]:
    """The rows, when every one has a text in `instruction` and `output` and no instruction (with input) repeats.

    Raises DatasetError with the first problems; row numbers count from 1.
    """
    rows: list[Row] = []
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, record in enumerate(records, start=1):
        if len(problems) == SHOWN_PROBLEMS:
            break
        row = _row(record, number)
        if isinstance(row, str):
            problems.append(row)
            continue
        first = seen.setdefault((row.instruction, row.input), number)
        if first != number:
            problems.append(
                _("Row %(row)s repeats the instruction of row %(first)s.") % {"row": number, "first": first}
            )
        rows.append(row)
    if not rows and not problems:
        problems.append(_("There is no row to train on."))
    if problems:
        raise DatasetError(problems)
    return rows


def _row(record: Any, number: int) -> Row | str:
    """The row, or what is wrong with it."""
    if not isinstance(record, dict):
        return _("Row %(row)s is no object.") % {"row": number}
    instruction, extra, output = (record.get(name) for name in ("instruction", "input", "output"))
    if not isinstance(instruction, str) or not instruction.strip():
        return _("Row %(row)s has no instruction.") % {"row": number}
    if not isinstance(output, str) or not output.strip():
        return _("Row %(row)s has no output.") % {"row": number}
    if extra is not None and not isinstance(extra, str):
        return _("Row %(row)s has an input that is no text.") % {"row": number}
    return Row(instruction, extra or "", output)
