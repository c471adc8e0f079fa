"""What must be there before a training run is queued, checked in seconds instead of failing minutes later."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from pipeline.training.config import DatasetError, TrainingConfig, checked, read_rows

SHIMS = Path(__file__).resolve().parent / "shims"
# What LLaMA-Factory 0.9.5 itself accepts at start (extras/misc.py check_dependencies).
ACCEPTED = {
    "transformers": ">=4.55.0,<=5.6.0",
    "datasets": ">=2.16.0,<=4.0.0",
    "accelerate": ">=1.3.0,<=1.15.0",
    "peft": ">=0.18.0,<=0.20.0",
    "trl": ">=0.18.0,<=0.24.0",
}
# Runs in the interpreter of LLaMA-Factory, which may be another environment than ours; imports nothing heavy.
PROBE = """
import importlib.metadata as m, importlib.util as u, json, pathlib, re, sys
versions = {}
for name in sys.argv[1:]:
    try: versions[name] = m.version(name)
    except m.PackageNotFoundError: versions[name] = ""
spec = u.find_spec("llamafactory")
file = pathlib.Path(spec.origin).parent / "data" / "template.py" if spec and spec.origin else None
names = re.findall(r'name="([^"]+)"', file.read_text(encoding="utf-8")) if file and file.is_file() else []
print(json.dumps({"versions": versions, "templates": names, "torchvision": bool(u.find_spec("torchvision"))}))
"""


@dataclass(frozen=True, slots=True)
class Problem:
    what: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Installed:
    versions: Mapping[str, str]
    templates: frozenset[str]
    torchvision_broken: bool


def check(config: TrainingConfig, dataset: Path, folder: Path) -> list[Problem]:
    """Everything that would make this run fail, in the order to mend it; empty when it may start."""
    return [
        *_program_problems(config),
        *_model_problems(config.model),
        *_dataset_problems(dataset),
        *_disk_problems(config, folder),
    ]


def cli_command() -> list[str] | None:
    """The LLaMA-Factory command: LLAMAFACTORY_CLI, else beside this interpreter, else on PATH; None without one."""
    configured = shlex.split(os.environ.get("LLAMAFACTORY_CLI", ""))
    if configured:
        found = shutil.which(configured[0])
        return [found, *configured[1:]] if found else None
    beside = Path(sys.executable).parent / "llamafactory-cli"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("llamafactory-cli")
    return [found] if found else None


def cli_python(command: Sequence[str]) -> str:
    """The interpreter of the environment that the command lives in, ours when there is none beside it."""
    beside = Path(command[0]).parent / "python"
    return str(beside) if os.access(beside, os.X_OK) else sys.executable


def torchaudio_stand_in(python: str) -> Path | None:
    """The folder to put on the training process's path, None where the real torchaudio works."""
    return None if _imports(python, "torchaudio") else SHIMS


def _imports(python: str, module: str) -> bool:
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def installed(python: str) -> Installed:
    """What LLaMA-Factory's environment holds, asked of that interpreter. Raises OSError or ValueError."""
    command = [python, "-c", PROBE, "llamafactory", "torch", *ACCEPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout)
    broken = found["torchvision"] and not _imports(python, "torchvision")
    return Installed(found["versions"], frozenset(found["templates"]), broken)


def _program_problems(config: TrainingConfig) -> list[Problem]:
    command = cli_command()
    if command is None:
        return [
            Problem(
                _("LLaMA-Factory is not installed."),
                _("Install requirements/train.txt with pip's --no-deps, or set LLAMAFACTORY_CLI to its command."),
            )
        ]
    try:
        found = installed(cli_python(command))
    except (OSError, ValueError) as error:
        what = _("LLaMA-Factory's interpreter cannot be asked (%(error)s).") % {"error": error}
        return [Problem(what, _("Check LLAMAFACTORY_CLI."))]
    problems = version_problems(found.versions)
    if found.templates and config.template not in found.templates:
        near = ", ".join(sorted(name for name in found.templates if name[:4] == config.template[:4])[:8])
        advice = _("Choose one of: %(names)s.") % {"names": near}
        what = _("LLaMA-Factory has no template '%(name)s'.") % {"name": config.template}
        problems.append(Problem(what, advice if near else _("Choose one of LLaMA-Factory's template names.")))
    if found.torchvision_broken:
        what = _("torchvision is installed but cannot be imported, and then no model can be loaded.")
        problems.append(Problem(what, _("Uninstall torchvision; it is not needed here.")))
    return problems


def version_problems(versions: Mapping[str, str]) -> list[Problem]:
    """Packages that are missing or that LLaMA-Factory refuses at start."""
    from packaging.specifiers import SpecifierSet

    problems = []
    for name in ("llamafactory", "torch", *ACCEPTED):
        version, accepted = versions.get(name, ""), ACCEPTED.get(name, "")
        advice = _("Install %(package)s.") % {"package": f"{name}{accepted}"}
        if not version:
            what = _("%(package)s is not installed beside LLaMA-Factory.") % {"package": name}
            problems.append(Problem(what, advice))
        elif accepted and not SpecifierSet(accepted).contains(version, prereleases=True):
            what = _("LLaMA-Factory does not accept %(package)s.") % {"package": f"{name} {version}"}
            problems.append(Problem(what, advice))
    return problems


def _model_problems(model: str) -> list[Problem]:
    folder = Path(model)
    if not folder.is_dir():
        what = _("There is no model folder %(folder)s.") % {"folder": model}
        return [Problem(what, _("Download the model and give its folder."))]
    groups = {
        _("configuration (config.json)"): ["config.json"],
        # The names that transformers looks for before it would fall back to a pickle (pytorch_model.bin).
        _("weights (model.safetensors)"): ["model.safetensors", "model.safetensors.index.json"],
        _("tokenizer"): ["tokenizer.json", "tokenizer.model"],
    }
    problems = []
    for name, patterns in groups.items():
        files = [path for pattern in patterns for path in folder.glob(pattern)]
        if not any(os.access(path, os.R_OK) for path in files):
            what = _("The model folder %(folder)s has no readable %(part)s.") % {"folder": model, "part": name}
            problems.append(Problem(what, _("Download the model again.")))
    if not any(folder.glob("*.safetensors")) and any(folder.glob("*.bin")):
        what = _(
            "The weights in %(folder)s are a pickle, which could run code of whoever made it, and is never loaded."
        )
        how = _("Download the model as safetensors, or convert it where that does no harm.")
        problems.append(Problem(what % {"folder": model}, how))
    return problems


def _dataset_problems(dataset: Path) -> list[Problem]:
    try:
        checked(read_rows(dataset))
    except DatasetError as error:
        return [Problem(problem, _("Correct the selection and export it again.")) for problem in error.problems]
    except OSError as error:
        what = _("The data file cannot be read: %(reason)s.") % {"reason": error.strerror}
        return [Problem(what, _("Check its path and its rights."))]
    return []


def _disk_problems(config: TrainingConfig, folder: Path) -> list[Problem]:
    """A checkpoint holds weights and two optimiser states; a full disk leaves a broken one behind."""
    weights = sum(path.stat().st_size for path in Path(config.model).glob("*.safetensors"))
    checkpoints = 0 if config.save_strategy == "no" else config.save_total_limit + 1
    needed = weights * (3 * checkpoints + 1)
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free > needed:
        return []
    sizes = {"needed": f"{needed / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
    what = _("The run needs about %(needed)s GB of disk and %(free)s GB are free.") % sizes
    return [Problem(what, _("Free some space, or keep fewer checkpoints (save_total_limit)."))]
