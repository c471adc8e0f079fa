"""`make demo` without serving: what it promises, and that a second call keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.installation import COUNTS, ROOT, Finished, Installation, installed

pytestmark = pytest.mark.slow
ROLES = ("annotator", "reviewer", "lead", "admin")
SIGN_IN = """
import sys
from django.contrib.auth.backends import ModelBackend
for line in sys.argv[1:]:
    role, name, password = line.split(" ")
    user = ModelBackend().authenticate(None, username=name, password=password)
    print(user.role == role if user else None)
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Two calls of the demo in one installation, and the summary that each of them wrote."""

    installation: Installation
    first: Finished
    second: Finished
    summaries: tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with installed(tmp_path_factory.mktemp("demo") / "installation") as made:
        path = made.var / "demo" / "summary.json"
        first = made.manage("demo", "--no-serve", seconds=150)
        assert first.code == 0, first.err
        before = json.loads(path.read_text(encoding="utf-8"))
        second = made.manage("demo", "--no-serve")
        yield Demo(made, first, second, (before, json.loads(path.read_text(encoding="utf-8"))))


def accounts(finished: Finished) -> dict[str, str]:
    """Role → the line "role name password" that the command printed."""
    lines = [line for line in finished.out.splitlines() if line.split(" ")[0] in ROLES and line.count(" ") == 2]
    return {line.split(" ")[0]: line for line in lines}


def authenticated(demo: Demo, lines: list[str]) -> list[str]:
    """For each line, "True" when its password lets that role in."""
    script = demo.installation.folder / "sign_in.py"
    script.write_text(f"import django; django.setup()\n{SIGN_IN}", encoding="utf-8")
    env = {"DJANGO_SETTINGS_MODULE": "madsafe_web.settings", "PYTHONPATH": str(ROOT)}
    return demo.installation.start(str(script), *lines, **env).wait(60).out.split()


def test_the_summary_has_exactly_its_fields(demo: Demo) -> None:
    summary = demo.summaries[0]
    fields = ("seconds", "stages", "labels", "alignment_set", "training", "evaluations", "open_reviews")
    assert set(summary) == set(fields)
    assert all(set(row) == {"stage", "run", "state", *COUNTS} for row in summary["stages"])
    assert set(summary["alignment_set"]) == {"rows", "sha256"}
    assert set(summary["training"]) == {"log", "first_loss", "last_loss", "base_sha256", "tuned_sha256"}
    assert all(set(row) == {"benchmark", "model", "n", "score", "interval"} for row in summary["evaluations"])


def test_every_stage_is_done_and_accounts_for_its_rows(demo: Demo) -> None:
    stages = demo.summaries[0]["stages"]
    assert len(stages) >= 15
    assert {row["state"] for row in stages} == {"done"}
    assert all(row["read"] == sum(row[name] for name in COUNTS[1:]) for row in stages)


def test_training_lowers_the_loss_and_changes_the_model(demo: Demo) -> None:
    training = demo.summaries[0]["training"]
    assert training["last_loss"] < 0.95 * training["first_loss"]
    assert training["tuned_sha256"] != training["base_sha256"]
    assert all(len(training[name]) == 64 for name in ("tuned_sha256", "base_sha256"))


def test_the_training_log_lies_where_the_summary_says(demo: Demo) -> None:
    log = Path(ROOT, demo.summaries[0]["training"]["log"])
    losses = [json.loads(line)["loss"] for line in log.read_text().splitlines() if "loss" in json.loads(line)]
    training = demo.summaries[0]["training"]
    assert (losses[0], losses[-1]) == (training["first_loss"], training["last_loss"])


def test_both_models_are_scored_on_three_benchmarks_with_intervals(demo: Demo) -> None:
    rows = demo.summaries[0]["evaluations"]
    assert len({(row["benchmark"], row["model"]) for row in rows}) == len(rows) == 6
    assert {row["model"] for row in rows} == {"base", "tuned"}
    assert all(row["n"] > 0 and 0 <= row["interval"][0] <= row["score"] <= row["interval"][1] <= 1 for row in rows)


def test_twelve_uncertain_verdicts_wait_for_a_reviewer(demo: Demo) -> None:
    assert demo.summaries[0]["open_reviews"] == 12


def test_ten_labels_are_left_for_people_to_decide(demo: Demo) -> None:
    decided = "SELECT COUNT(*) FROM annotation_mapentry WHERE decided_by != ''"
    labels = demo.installation.one("SELECT COUNT(DISTINCT label_id) FROM annotation_promptintent")
    assert labels - demo.installation.one(decided) == 10


def test_the_labels_and_the_set_are_those_of_the_database(demo: Demo) -> None:
    summary, rows = demo.summaries[0], demo.installation.rows
    assert summary["labels"] == demo.installation.one("SELECT COUNT(*) FROM annotation_intentlabel") > 0
    ((digest, samples),) = rows(
        "SELECT a.sha256, COUNT(*) FROM pipeline_alignmentset a JOIN pipeline_alignmentsample s"
        " ON s.alignment_set_id = a.id GROUP BY a.id"
    )
    assert summary["alignment_set"] == {"rows": samples, "sha256": digest}


def test_the_screen_says_where_the_summary_is_and_that_it_rests_on_offline_rules(demo: Demo) -> None:
    assert f"Written to {demo.installation.var / 'demo' / 'summary.json'}" in demo.first.out
    assert "offline rules: for trying MadSafe, not for publishing results" in demo.first.out


def test_a_second_call_says_that_all_is_done(demo: Demo) -> None:
    assert demo.second.code == 0, demo.second.err
    assert "All stages of the sample are done already." in demo.second.out
    assert "All stages of the sample are done already." not in demo.first.out


def test_a_second_call_changes_nothing(demo: Demo) -> None:
    before, after = ({**one, "seconds": 0} for one in demo.summaries)
    assert after == before


def test_an_account_that_never_signed_in_gets_a_new_password_that_works(demo: Demo) -> None:
    first, second = accounts(demo.first), accounts(demo.second)
    assert set(first) == set(second) == set(ROLES)
    assert all(first[role] != second[role] for role in ROLES)
    assert authenticated(demo, [second[role] for role in ROLES]) == ["True"] * 4
    assert authenticated(demo, [first[role] for role in ROLES]) == ["None"] * 4
