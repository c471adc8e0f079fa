"""Pages by key: each row once, in a stable order, whatever is added meanwhile."""

from __future__ import annotations

from typing import Any

from tests.api.calls import Program, fields, rows
from tests.factories import make_label, make_prompts, make_run


def walk(program: Program, path: str, limit: int) -> list[int]:
    """The ids of all pages."""
    found: list[int] = []
    address: str | None = f"/api/v1/{path}limit={limit}"
    while address:
        page: Any = program.get(address).json()
        assert len(page["results"]) <= limit
        found += [row["id"] for row in page["results"]]
        address = page["next"]
    return found


def test_every_row_comes_once_in_either_order(lead_api: Program) -> None:
    ids = [make_run().pk for _ in range(7)]
    assert walk(lead_api, "runs/?order=id&", 3) == ids
    assert walk(lead_api, "runs/?", 3) == ids[::-1]
    assert walk(lead_api, "runs/?", 7) == ids[::-1]


def test_a_list_in_memory_is_paged_alike(lead_api: Program) -> None:
    prompts = make_prompts(1)
    ids = [make_label(f"label {number}", prompts).pk for number in range(5)]
    assert walk(lead_api, "labels/?order=id&", 2) == ids
    assert walk(lead_api, "labels/?", 2) == ids[::-1]


def test_rows_that_come_meanwhile_shift_nothing(lead_api: Program) -> None:
    ids = [make_run().pk for _ in range(4)]
    first = lead_api.ask("runs/", limit=2).json()
    make_run()
    assert [row["id"] for row in lead_api.get(first["next"]).json()["results"]] == ids[1::-1]


def test_filters_hold_on_the_next_page(lead_api: Program) -> None:
    wanted = [make_run("suggest").pk for _ in range(3)]
    make_run("label")
    assert walk(lead_api, "runs/?stage=suggest&", 2) == wanted[::-1]


def test_an_empty_list_has_no_next_page(lead_api: Program) -> None:
    assert lead_api.ask("runs/").json() == {"results": [], "next": None}


def test_only_a_cursor_of_ours_is_taken(lead_api: Program) -> None:
    for text in ("MQ==", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "é", " "):
        assert fields(lead_api.ask("runs/", cursor=text)) == {"cursor"}
    assert rows(lead_api.ask("runs/", cursor="MQ")) == []
