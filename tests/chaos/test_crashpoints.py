"""Killed right before or right after any one of its commits, a chain called again ends as an undisturbed one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.installation import Installation, import_of, prompt_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BASE = {"base": {"backend": "tiny_llama"}}


# Each side with one database: with both, the same chains would be worked through twice as often to tell little more.
@pytest.mark.parametrize(("places", "side"), [("sqlite", "before"), ("postgresql", "after")], indirect=["places"])
def test_a_chain_killed_at_any_of_its_commits_ends_as_an_undisturbed_one(places: list[Installation], side: str) -> None:
    rows, files = places
    assert_survives_every_kill(rows, rows.chain(labelled_and_answered(rows)), side)
    scored = files.chain([*labelled_and_answered(files), *scored_stages(files)], "scored", BASE)
    assert files.with_models().manage("run_pipeline", scored, seconds=300).code == 0
    assert_survives_every_kill(files, files.chain(["select", "freeze", "export"]), side)


def labelled_and_answered(place: Installation) -> list[Any]:
    """Stages of every kind that writes rows: of a file, by rows, of a whole, by rows with replies."""
    decided = {"merge": {"decide": "rule", "leave_undecided": 0}}
    return [import_of(prompt_file(place.folder, 12), name="prompts"), "label", decided, "publish", "regenerate"]


def scored_stages(place: Installation) -> list[Any]:
    """What a selection needs beside them."""
    path = place.folder / "general.json"
    general = [{"instruction": f"Name {number} things", "input": "", "output": f"{number} things"} for number in "abcd"]
    path.write_text(json.dumps(general), encoding="utf-8")
    imported = {"import": {"files": [{"path": str(path), "format": "alpaca"}]}}
    scores: list[Any] = [{"perplexity": {"endpoint": "base"}}, "response_safety", "instruction_safety"]
    return [imported, *scores, {"sample_general": {"count": 3}}]


def assert_survives_every_kill(place: Installation, chain: str, side: str) -> None:
    """Work through the chain once for each of its commits, killed there."""
    done = place.start("-m", "tests.chaos.crashpoints", chain, side).wait(600)
    assert done.code == 0, done.err
    assert done.summary["commits"] > 20
    assert done.summary["different"] == {}
