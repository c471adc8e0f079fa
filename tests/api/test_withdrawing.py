"""The withdrawal of a corpus over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from madsafe_web.core.models import Run
from madsafe_web.core.runs.worker import work_on
from tests.api.calls import Program, fields, problem, verbs
from tests.factories import make_corpus, make_prompt, make_prompts, make_response, make_run


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def test_what_would_be_withdrawn_is_told_in_numbers(lead_api: Program) -> None:
    corpus = make_corpus("Goes")
    make_response(make_prompt("one", corpus), "a reply")
    running = make_run("label", Run.State.RUNNING)
    shown = lead_api.ask(f"corpora/{corpus.pk}/withdraw/").json()
    assert (shown["corpus"], shown["withdrawn"], shown["finished"]) == ("Goes", None, False)
    assert shown["in_the_way"] == [running.pk]
    counts = {one["name"]: one["count"] for one in shown["derived"]}
    assert (counts["Prompts of the corpus"], counts["Responses"]) == (1, 1)
    assert not Run.objects.filter(stage="withdraw").exists()


def test_a_corpus_is_withdrawn_by_its_name(lead_api: Program) -> None:
    corpus = make_corpus("Goes")
    make_prompt("one", corpus)
    response = lead_api.send(f"corpora/{corpus.pk}/withdraw/", {"name": "Goes"})
    assert response.status_code == 201, response.content
    assert (response.json()["stage"], response.json()["state"]) == ("withdraw", "queued")
    assert verbs() == ["run.create", "corpus.withdraw"]
    assert work_on(response.json()["id"]).state == Run.State.DONE
    assert lead_api.ask(f"corpora/{corpus.pk}/withdraw/").json()["finished"]
    problem(lead_api.send(f"corpora/{corpus.pk}/withdraw/", {"name": "Goes"}), 409)


def test_the_same_key_starts_one_run(lead_api: Program) -> None:
    path = f"corpora/{make_corpus('Goes').pk}/withdraw/"
    first, second = (lead_api.send(path, {"name": "Goes"}, key="once") for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Run.objects.filter(stage="withdraw").count() == 1


@pytest.mark.parametrize("body", [{}, {"name": "Another"}, {"name": 3}])
def test_without_its_name_nothing_is_withdrawn(lead_api: Program, body: dict[str, Any]) -> None:
    assert fields(lead_api.send(f"corpora/{make_corpus('Goes').pk}/withdraw/", body)) == {"name"}
    assert not Run.objects.exists()


def test_while_another_run_is_in_work_nothing_starts(lead_api: Program) -> None:
    corpus = make_corpus("Goes")
    make_run("label", Run.State.RUNNING)
    found = problem(lead_api.send(f"corpora/{corpus.pk}/withdraw/", {"name": "Goes"}), 409)
    assert "Label" in found["detail"]
    assert not Run.objects.filter(stage="withdraw").exists()


def test_only_who_may_run_asks_or_withdraws(annotator_api: Program) -> None:
    path = f"corpora/{make_corpus('Goes').pk}/withdraw/"
    problem(annotator_api.ask(path), 403)
    problem(annotator_api.send(path, {"name": "Goes"}), 403)


def test_the_number_of_queries_does_not_depend_on_the_number_of_prompts(lead_api: Program) -> None:
    corpus = make_corpus("Goes")
    lead_api.ask(f"corpora/{corpus.pk}/withdraw/")  # notes when the token was used
    made = []
    for _ in range(2):
        make_prompts(20, corpus)
        with CaptureQueriesContext(connection) as caught:
            lead_api.ask(f"corpora/{corpus.pk}/withdraw/")
        made.append(len(caught))
    assert made[0] == made[1]
