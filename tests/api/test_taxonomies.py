"""The taxonomy by the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.annotation.taxonomies import THREE, three
from tests.api.calls import Program, problem, rows

pytestmark = pytest.mark.django_db
BODY: dict[str, Any] = {"based_on": 1, "name": "Ours", "categories": [asdict(row) for row in THREE]}


def test_a_taxonomy_is_made_and_its_categories_are_the_newest(lead_api: Program) -> None:
    made = lead_api.send("taxonomies/", BODY)
    assert (made.status_code, made.json()["version"]) == (201, 2)
    assert [row["code"] for row in rows(lead_api.ask("categories/"))] == ["LAW", "OFF", "ELSE"]
    assert len(rows(lead_api.ask("categories/", taxonomy=1))) == 14


def test_what_is_no_taxonomy_is_refused_and_an_old_base_is_a_conflict(lead_api: Program) -> None:
    problem(lead_api.send("taxonomies/", {**BODY, "categories": [BODY["categories"][0]] * 2}), 400)
    three()
    problem(lead_api.send("taxonomies/", BODY), 409)


def test_an_unknown_version_has_no_categories(lead_api: Program) -> None:
    problem(lead_api.ask("categories/", taxonomy=99), 400)
