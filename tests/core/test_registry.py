"""Plug-ins are found by their files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from madsafe_web.core.registry import RegistryError, plugins

Package = Callable[[dict[str, str]], str]
PLUGIN = "class P:\n    name = {name!r}\nPLUGIN = P()\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Package:
    def build(files: dict[str, str]) -> str:
        name = "plugs_" + str(abs(hash(request.node.nodeid)))
        folder = tmp_path / name
        folder.mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (folder / file).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return name

    return build


def test_plugins_come_by_name_in_the_order_of_the_files(package: Package) -> None:
    name = package({"b.py": PLUGIN.format(name="first"), "c.py": PLUGIN.format(name="another")})
    assert list(plugins(name, "PLUGIN")) == ["first", "another"]


def test_base_and_underscore_files_are_no_plugins(package: Package) -> None:
    name = package({"base.py": "X = 1", "_words.py": "Y = 1", "a.py": PLUGIN.format(name="a")})
    assert list(plugins(name, "PLUGIN")) == ["a"]


def test_a_file_without_the_attribute_is_named_in_the_error(package: Package) -> None:
    name = package({"empty.py": ""})
    with pytest.raises(RegistryError, match=rf"{name}\.empty does not define PLUGIN"):
        plugins(name, "PLUGIN")


def test_a_name_used_twice_names_both_files(package: Package) -> None:
    name = package({"a.py": PLUGIN.format(name="same"), "b.py": PLUGIN.format(name="same")})
    with pytest.raises(RegistryError, match=rf"{name}\.a and {name}\.b both define"):
        plugins(name, "PLUGIN")


def test_a_plugin_without_a_name_is_an_error(package: Package) -> None:
    name = package({"a.py": "PLUGIN = 3"})
    with pytest.raises(RegistryError, match="has no name"):
        plugins(name, "PLUGIN")


def test_the_folder_is_read_once_and_the_dict_is_the_callers_own(package: Package) -> None:
    name = package({"a.py": PLUGIN.format(name="a")})
    first = plugins(name, "PLUGIN")
    plugin = first.pop("a")
    sys.modules[f"{name}.a"].PLUGIN = None  # type: ignore[attr-defined]  # a second reading would now fail
    assert plugins(name, "PLUGIN") == {"a": plugin}
