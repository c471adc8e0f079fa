"""Every sentence that importers and readers of files can say is known, so that it is told in the reader's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.loading import importers
from madsafe_web.core.wording import is_known

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("annotation/importers", "madsafe_web/core/textio")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.py") if path.name != "wording.py")
# What stands in the place of an expression, by a part of it; the first that fits counts.
FILLED = (
    ("kind_of", "a number"),
    ("_found(", "no rows"),
    ("problem", "its encoding is not known"),
    ("spelt otherwise", "spelt otherwise"),
    ("first.group", "x"),
    ("where", ""),
)
# Names, patterns and parts of sentences.
OTHERS = {
    "CC BY-NC-SA 4.0",
    "CC BY 4.0",
    "Unfairness and Bias",
    "Physical Health",
    "Mental Health",
    "Illegal Activities",
    "Ethics and Morality",
    "Privacy and Property",
    "Unterminated string",
    "an object with an answer for each question id",
    'for example {"prompt": "question", "responses": [{"path": "answer", "kind": "reply"}]}',
    " under the name x",
    "expected x",
    "x (x)",
    "x GB",
    "x fields",
}
PROPER = {"C-Eval", "ChineseSafetyQA", "CMMLU", "COLD", "CValues-Comparison", "Do-Not-Answer", "GSM8K", "HumanEval"}
PROPER |= {"JADE", "MMLU", "S-Eval", "Safety-Prompts", "SafetyBench", "XSTest"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_sentence_of_a_reader_or_importer_is_known(path: Path) -> None:
    unknown = {text for text in sentences(path) if not is_known(text)}
    assert unknown - OTHERS == set(), "add it to the list in wording.py beside it, with its Chinese"


def test_every_title_of_a_format_is_known_or_a_proper_name() -> None:
    titles = {importer.title for importer in importers().values()}
    assert {title for title in titles if not is_known(title)} == PROPER


def sentences(path: Path) -> Iterator[str]:
    """Texts of more than one word, but for patterns and those about the code, with their places filled."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in ast.walk(one)}
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr):
            text = "".join(map(_filled, one.values))
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in parts:
            text = one.value
        else:
            continue
        if " " in text.strip() and not _is_about_code(tree, one) and "\\" not in text and "[ ]" not in text:
            yield text


def _filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    written = ast.unparse(part)
    return next((text for sign, text in FILLED if sign in written), "x")


def _is_about_code(tree: ast.Module, text: ast.expr) -> bool:
    return any(isinstance(one, ast.Expr) and one.value is text for one in ast.walk(tree))
