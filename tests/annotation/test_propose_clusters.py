"""The command that shows which names may mean the same."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

NAMES = ["文物盗掘", "盗掘文物", "Relic-Looting", "relic looting", "食品安全"]


@dataclass
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: Any) -> Done:
        code = 0
        try:
            call_command("propose_clusters", *map(str, arguments))
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run


def file_of(tmp_path: Path, content: Any, name: str = "labels.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def rows_of(tmp_path: Path, rows: list[Any], name: str) -> Path:
    return file_of(tmp_path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), name)


def test_groups_are_the_last_line_as_json(command: Any, tmp_path: Path) -> None:
    done = command(file_of(tmp_path, NAMES), "--json")
    assert done.code == 0
    assert json.loads(done.out.splitlines()[-1]) == [["Relic-Looting", "relic looting"], ["文物盗掘", "盗掘文物"]]


def test_without_json_each_group_says_why(command: Any, tmp_path: Path) -> None:
    done = command(file_of(tmp_path, NAMES), "--by", "exact")
    assert done.out.splitlines() == [
        "Relic-Looting | relic looting  [A fingerprint]",
        "文物盗掘 | 盗掘文物  [A characters]",
        "2 groups of 5 names.",
    ]


def test_no_name_is_no_group(command: Any, tmp_path: Path) -> None:
    assert command(file_of(tmp_path, []), "--json").out == "[]\n"


def test_a_name_that_comes_twice_is_one(command: Any, tmp_path: Path) -> None:
    assert command(file_of(tmp_path, ["甲乙丙", "甲乙丙"]), "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "labels.json is not JSON"),
        ({"a": 1}, "labels.json holds an object, expected an array of names."),
        ([["a", "b"]], "labels.json, entry 1: is an array, expected the name of a label, a text."),
        (["a", 3], "labels.json, entry 2: is a number"),
        (["a", " "], "labels.json, entry 2: is empty"),
        (["a"] * 3 + [str(number) for number in range(5001)], "labels.json holds 5,002 names."),
    ],
    ids=["not JSON", "an object", "a list of groups", "a number", "a blank", "too many"],
)
def test_what_is_no_list_of_names_is_refused(command: Any, tmp_path: Path, content: Any, told: str) -> None:
    done = command(file_of(tmp_path, content))
    assert done.code == 2
    assert told in done.err


def test_a_missing_file_is_named(command: Any, tmp_path: Path) -> None:
    done = command(tmp_path / "none.json")
    assert done.code == 2
    assert "none.json cannot be read" in done.err


def prompts_of(tmp_path: Path) -> Path:
    rows = [{"traceid": f"t{n}", "risk_type": "r", "prompt": f"文物{n}在哪里", "ext": "{}"} for n in range(40)]
    return rows_of(tmp_path, rows, "prompts.jsonl")


def links_of(tmp_path: Path) -> Path:
    rows = [{"traceid": f"t{n}", "label": ["甲乙", "丙丁"][n % 2]} for n in range(40)]
    rows += [{"traceid": f"t{n}", "label": "壬癸"} for n in range(40)]
    return rows_of(tmp_path, rows, "links.jsonl")


def test_prompts_tell_what_names_do_not(command: Any, tmp_path: Path) -> None:
    labels = file_of(tmp_path, ["甲乙", "丙丁", "壬癸"])
    done = command(labels, "--links", links_of(tmp_path), "--prompts", prompts_of(tmp_path), "--json")
    assert done.code == 0
    assert json.loads(done.out) == [["丙丁", "甲乙"]]


def test_links_may_be_packed(command: Any, tmp_path: Path) -> None:
    packed = tmp_path / "links.jsonl.gz"
    packed.write_bytes(gzip.compress(links_of(tmp_path).read_bytes()))
    labels = file_of(tmp_path, ["甲乙", "丙丁"])
    assert command(labels, "--by", "prompts", "--links", packed, "--prompts", prompts_of(tmp_path)).code == 0


@pytest.mark.parametrize("given", ["--links", "--prompts"])
def test_links_and_prompts_go_together(command: Any, tmp_path: Path, given: str) -> None:
    done = command(file_of(tmp_path, NAMES), given, links_of(tmp_path))
    assert done.code == 2
    assert "Give both." in done.err


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"label": "a"}, "links.jsonl, row 2, field traceid: is missing."),
        ({"traceid": "t1", "label": 5}, "links.jsonl, row 2, field label: is a number, expected a text."),
        ({"traceid": "", "label": "a"}, "links.jsonl, row 2, field traceid: is empty."),
        ([1], "links.jsonl, row 2: is an array, expected an object with traceid and label."),
    ],
    ids=["missing", "a number", "empty", "no object"],
)
def test_a_link_that_cannot_be_used_is_named(command: Any, tmp_path: Path, row: Any, told: str) -> None:
    links = rows_of(tmp_path, [{"traceid": "t0", "label": "甲乙"}, row], "links.jsonl")
    done = command(file_of(tmp_path, ["甲乙"]), "--links", links, "--prompts", prompts_of(tmp_path))
    assert done.code == 2
    assert told in done.err


def test_links_to_other_prompts_are_told(command: Any, tmp_path: Path) -> None:
    links = rows_of(tmp_path, [{"traceid": "other", "label": "甲乙"}], "links.jsonl")
    done = command(file_of(tmp_path, ["甲乙"]), "--links", links, "--prompts", prompts_of(tmp_path))
    assert done.code == 2
    assert "No traceid of links.jsonl is the source id of a prompt in prompts.jsonl." in done.err
