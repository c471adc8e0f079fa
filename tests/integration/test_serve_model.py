"""Stages that ask a real language-model server: `transformers serve` with a tiny model, over HTTP."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.installation import (
    Finished,
    Installation,
    free_port,
    import_of,
    installed,
    prompt_file,
    wait_until,
)
from tests.models import tiny_model

pytestmark = pytest.mark.slow
ROWS = 12
GENERATIONS = "SELECT call_key, text, finish, model FROM core_generation ORDER BY call_key"


@dataclass(frozen=True, slots=True)
class Asked:
    """The same two stages over the same prompts, twice, by two chains of one installation."""

    installation: Installation
    first: Finished
    stored: list[tuple[Any, ...]]
    requests: int
    second: Finished
    more_requests: int


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder, port = tmp_path_factory.mktemp("model"), free_port()
    (folder / "hf" / "hub").mkdir(parents=True)  # without it the list of models is an error 500
    with installed(folder / "installation") as made:
        made.migrated()
        offline = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        command = (transformers_command(), "serve", str(tiny_model()), "--host", "127.0.0.1", "--port", str(port))
        server = made.start(*command, "--device", "cpu", **offline)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60, "the model server")
        endpoint = {
            "backend": "openai_compatible",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": str(tiny_model()),
            "concurrency": 4,
        }
        first = made.manage("run_pipeline", chain(made, endpoint, "first"), "--json")
        assert first.code == 0, first.err
        stored, requests = made.rows(GENERATIONS), count_requests(server.out + server.err)
        second = made.manage("run_pipeline", chain(made, endpoint, "second"), "--json")
        yield Asked(made, first, stored, requests, second, count_requests(server.out + server.err) - requests)


def transformers_command() -> str:
    """The script of the program in this environment."""
    return str(Path(sys.executable).parent / "transformers")


def chain(made: Installation, endpoint: dict[str, Any], name: str) -> str:
    prompts = import_of(prompt_file(made.folder, ROWS), name="prompts")
    regenerate = {"regenerate": {"endpoint": "model", "max_tokens": 24}}
    return made.chain([prompts, {"label": {"endpoint": "model"}}, regenerate], name, {"model": endpoint})


def count_requests(log: str) -> int:
    """Chat completions in the server's log of accesses."""
    return log.count('"POST /v1/chat/completions')


def by_stage(finished: Finished) -> dict[str, dict[str, Any]]:
    return {row["stage"]: row for row in finished.summary["stages"]}


@pytest.mark.parametrize("stage", ["label", "regenerate"])
def test_a_model_without_skill_still_ends_the_stage_with_every_row_accounted_for(asked: Asked, stage: str) -> None:
    row = by_stage(asked.first)[stage]
    assert (row["state"], row["read"]) == ("done", ROWS)
    outcomes = asked.installation.rows(
        f"SELECT DISTINCT w.outcome FROM core_runrow w JOIN core_run r ON r.id = w.run_id WHERE r.stage = '{stage}'"
    )
    assert {outcome for (outcome,) in outcomes} <= {"done", "cached", "unparsed", "truncated", "duplicate", "rejected"}


def test_every_reply_is_stored_raw_with_its_model(asked: Asked) -> None:
    assert len(asked.stored) == asked.requests == 2 * ROWS
    assert {model for *_, model in asked.stored} == {str(tiny_model())}
    assert any(text for _, text, _, _ in asked.stored)


def test_a_second_run_answers_from_what_is_stored_without_a_request(asked: Asked) -> None:
    assert asked.second.code == 0, asked.second.err
    assert asked.more_requests == 0
    assert asked.installation.rows(GENERATIONS) == asked.stored
    assert {name: row["read"] for name, row in by_stage(asked.second).items()} == {
        "import": ROWS,
        "label": ROWS,
        "regenerate": ROWS,
    }
