"""The measurable part of docs/contributing.md."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES, MOST_FUNCTION_LINES = 400, 40
FORBIDDEN_IN_TEMPLATES = re.compile(
    r"\sstyle=|\son\w+=|hx-on|js:|hx-trigger=\"[^\"]*\[|\|\s*safe\b|<script(?![^>]*\bsrc=)"
)


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split() if (ROOT / name).is_file()]


SOURCES = [path for path in tracked("*.py") if "migrations" not in path.parts]
TEMPLATES = tracked("templates/*.html")


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    has = ast.get_docstring(function) is not None
    start = function.body[0].end_lineno if has else function.lineno - 1
    assert function.end_lineno is not None and start is not None
    return function.end_lineno - start


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert lines_without_docstring(node) <= MOST_FUNCTION_LINES, f"{node.name} is too long"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_hold_nothing_that_the_content_security_policy_refuses(path: Path) -> None:
    text = re.sub(r"<script[^>]*type=\"application/json\"[^>]*>", "", path.read_text(encoding="utf-8"))
    assert not FORBIDDEN_IN_TEMPLATES.findall(text)


def test_the_repository_names_no_machine() -> None:
    found = subprocess.run(
        ["git", "grep", "-InE", r"/root/|/home/[a-z]+/|/work/main|/tmp/w/"], cwd=ROOT, capture_output=True, text=True
    )
    hits = [line for line in found.stdout.splitlines() if "tests/test_style.py" not in line]
    assert hits == []
