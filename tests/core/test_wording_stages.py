"""Every sentence that a stage stops at or writes into its log is known, so that it is told in the reader's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from madsafe_web.core.wording import is_known

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for app in ("annotation", "pipeline", "evaluation")
    for path in (ROOT / app).glob("*.py")
    if path.stem[0] != "_"
)
SAYS = ("StageError", "job.log", "log", "service.log")
# What stands in the place of an expression that is a sentence, or a part of one, by a part of it.
FILLED = (("error).rstrip", "it is empty"), ("ended", "The process that read the file ended too early (exit code x)"))
FILLED += (("told", "a.txt was passed over: it is empty"), ("again", ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_sentence_of_a_run_is_known(path: Path) -> None:
    assert [text for text in sentences(path) if not is_known(text)] == [], "add it to wording.py, with its Chinese"


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
