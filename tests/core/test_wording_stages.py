"""Every sentence that a stage stops at or writes into its log is known, so that it is told in the reader's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from madsafe_web.core.wording import is_known
from pipeline import wording

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for app in ("annotation", "pipeline", "evaluation")
    for path in (ROOT / app).rglob("*.py")
    if path.stem[0] != "_" and "migrations" not in path.parts
)
SAYS = ("StageError", "NeedsPeople", "ProcessLost", "job.log", "log", "service.log")
# What stands in the place of an expression that is a sentence, or a part of one, by a part of it.
FILLED = (("error).rstrip", "it is empty"), ("ended", "The process that read the file ended too early (exit code x)"))
FILLED += (("told", "a.txt was passed over: it is empty"), ("again", ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_of_a_run_is_known(path: Path) -> None:
    assert [text for text in sentences(path) if not is_known(text)] == [], "add it to wording.py, with its Chinese"


@pytest.mark.parametrize("name", ["preflight", "config"])
def test_what_is_missing_before_a_training_is_known(name: str) -> None:
    """It is made of texts of the catalogue, and stored as the sentence that the training stops at."""
    calls = ast.walk(ast.parse((ROOT / "pipeline" / "training" / f"{name}.py").read_text(encoding="utf-8")))
    texts = [one.args[0] for one in calls if isinstance(one, ast.Call) and ast.unparse(one.func) == "_"]
    assert {ast.literal_eval(text) for text in texts} - {*wording.PREFLIGHT} == set(), "add it to pipeline/wording.py"


def sentences(path: Path) -> Iterator[str]:
    """What is raised and logged in one literal text; others are put together of such or come from elsewhere."""
    for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(one, ast.Call) and one.args and ast.unparse(one.func) in SAYS:
            said = one.args[-1]
            if isinstance(said, ast.JoinedStr):
                yield "".join(map(filled, said.values))
            elif isinstance(said, ast.Constant):
                yield str(said.value)


def filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    written = ast.unparse(part)
    return next((text for sign, text in FILLED if sign in written), "x")
