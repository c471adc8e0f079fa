"""Views and the API come to objects only by `scoped(user, Model)`: what a person may not see is not there for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_style import ROOT, tracked

MANAGERS = {"objects", "_default_manager", "_base_manager"}
SHORTCUTS = {"get_object_or_404", "get_list_or_404"}
# Why these may reach for rows themselves.
ALLOWED = {
    "madsafe_web/core/api/authentication.py": "nobody is known yet: a token is looked up by its hash",
    "madsafe_web/core/api/once.py": "writes the answers to requests sent twice, each under its sender",
}


def is_web(path: Path) -> bool:
    """Whether a file answers requests: a module or a folder of views, or the API."""
    parts = path.relative_to(ROOT).parts
    return parts[0] != "tests" and (
        path.stem == "api" or path.stem.endswith(("views", "_api")) or bool({"views", "api"}.intersection(parts[:-1]))
    )


def unscoped(source: str) -> Iterator[str]:
    """What of a source goes round `scoped`, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
            yield f"line {node.lineno}: .{node.attr}"
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHORTCUTS
        if named and isinstance(node.args[0], ast.Name) and node.args[0].id[:1].isupper():
            yield f"line {node.lineno}: {node.func.id}({node.args[0].id}, …)"


WEB = [path for path in tracked("*.py") if is_web(path)]


@pytest.mark.parametrize("path", WEB, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_view_fetches_only_what_is_there_for_the_person(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in ALLOWED:
        assert list(unscoped(path.read_text(encoding="utf-8"))) == []


def test_the_views_of_all_apps_are_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in WEB} == {"madsafe_web", "annotation", "pipeline", "evaluation"}


@pytest.mark.parametrize(
    "source",
    ["Prompt.objects.get(pk=1)", "Prompt._default_manager.all()", "get_object_or_404(Prompt, pk=1)"],
)
def test_a_way_round_is_noticed(source: str) -> None:
    assert list(unscoped(source))


@pytest.mark.parametrize("source", ["scoped(user, Prompt).get(pk=1)", "get_object_or_404(scoped(user, Prompt), pk=1)"])
def test_the_way_through_the_scope_is_free(source: str) -> None:
    assert not list(unscoped(source))
