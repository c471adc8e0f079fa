"""A write that is sent again with the same key is done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from madsafe_web.core.api import once
from madsafe_web.core.models import IdempotentRequest, Run, User
from tests.api.calls import Program, problem
from tests.factories import make_run, make_user

LABEL = {"stage": "label"}


def test_the_second_answer_is_the_first_one(lead_api: Program) -> None:
    first, second = (lead_api.send("runs/", LABEL, key="a") for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Run.objects.count() == 1


def test_without_a_key_each_one_counts(lead_api: Program) -> None:
    assert [lead_api.send("runs/", LABEL).status_code for _ in range(2)] == [201, 201]
    assert Run.objects.count() == 2


def test_a_key_is_for_one_request(lead_api: Program) -> None:
    lead_api.send("runs/", LABEL, key="a")
    problem(lead_api.send("runs/", {"stage": "suggest"}, key="a"), 422)
    problem(lead_api.send("review/take/", {}, key="a"), 403)
    assert Run.objects.count() == 1


def test_the_order_of_fields_makes_no_other_request(lead_api: Program) -> None:
    lead_api.send("runs/", {"stage": "label", "start": False}, key="a")
    assert lead_api.send("runs/", {"start": False, "stage": "label"}, key="a").headers["Idempotency-Replayed"]


def test_a_key_is_its_owners(lead_api: Program) -> None:
    other = Program(make_user("another lead", "lead"))
    lead_api.send("runs/", LABEL, key="a")
    assert "Idempotency-Replayed" not in other.send("runs/", LABEL, key="a").headers
    assert Run.objects.count() == 2


@pytest.mark.parametrize("key", [" ", "é", "x" * 101, "a b"])
def test_a_key_has_a_form(lead_api: Program, key: str) -> None:
    problem(lead_api.send("runs/", LABEL, key=key), 400)


def test_a_refusal_leaves_the_key_free(lead_api: Program) -> None:
    run = make_run(state=Run.State.DONE)
    problem(lead_api.send(f"runs/{run.pk}/pause/", key="a"), 409)
    problem(lead_api.send("runs/", {"stage": "nosuch"}, key="a"), 400)
    assert lead_api.send("runs/", LABEL, key="a").status_code == 201


def test_an_error_leaves_the_key_free_and_nothing_done(lead_api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_api.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr("madsafe_web.core.api.runs.run_detail", lambda run: 1 / 0)
        problem(lead_api.send("runs/", LABEL, key="a"), 500)
    assert Run.objects.count() == IdempotentRequest.objects.count() == 0
    assert lead_api.send("runs/", LABEL, key="a").status_code == 201


def test_a_first_one_in_work_is_waited_for(lead_api: Program) -> None:
    lead_api.send("runs/", LABEL, key="a")
    IdempotentRequest.objects.update(status=None, body=None)
    problem(lead_api.send("runs/", LABEL, key="a"), 409)


def test_a_claim_left_by_a_crash_is_taken_over(lead_api: Program) -> None:
    lead_api.send("runs/", LABEL, key="a")
    IdempotentRequest.objects.update(status=None, created=timezone.now() - once.CLAIM_HOLDS - timedelta(seconds=1))
    Run.objects.all().delete()
    assert lead_api.send("runs/", LABEL, key="a").status_code == 201
    assert lead_api.send("runs/", LABEL, key="a").headers["Idempotency-Replayed"] == "true"
    assert Run.objects.count() == 1


def test_who_lost_the_claim_writes_nothing(lead_api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from madsafe_web.core.api import runs

    detail = runs.run_detail

    def slow(run: Run) -> dict[str, Any]:
        IdempotentRequest.objects.update(created=timezone.now())  # another one takes it over meanwhile
        return detail(run)

    monkeypatch.setattr("madsafe_web.core.api.runs.run_detail", slow)
    problem(lead_api.send("runs/", LABEL, key="a"), 409)
    assert Run.objects.count() == 0


def test_a_file_is_part_of_the_request(lead_api: Program, settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path

    def send(content: bytes) -> Any:
        body = {"file": SimpleUploadedFile("a.json", content), "format": "alpaca", "name": "A corpus"}
        return lead_api.post("/api/v1/corpora/", body, headers={"idempotency-key": "a"})

    first, second = send(b"[]"), send(b"[]")
    assert first.status_code == second.status_code == 201, first.content
    assert first.json()["id"] == second.json()["id"]
    problem(send(b"[1]"), 422)


def test_a_day_later_the_key_is_free(lead_api: Program) -> None:
    lead_api.send("runs/", LABEL, key="a")
    IdempotentRequest.objects.update(created=timezone.now() - once.KEPT - timedelta(seconds=1))
    lead_api.send("runs/", LABEL, key="a")
    assert Run.objects.count() == 2


def test_old_answers_are_swept(lead_api: Program) -> None:
    lead_api.send("runs/", LABEL, key="old")
    IdempotentRequest.objects.update(created=timezone.now() - once.KEPT - timedelta(seconds=1))
    lead_api.send("runs/", LABEL, key="new")
    once.sweep()
    assert [row.key for row in IdempotentRequest.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_does_it() -> None:
    user = make_user("lead", User.Role.LEAD)
    programs = [Program(user)]
    again = Program.__new__(Program)
    super(Program, again).__init__(headers={"authorization": "Bearer mads_lead"})
    programs.append(again)
    start, answers = threading.Barrier(2), []

    def send(program: Program) -> None:
        start.wait(10)
        answers.append(program.send("runs/", LABEL, key="a").status_code)
        connection.close()

    threads = [threading.Thread(target=send, args=[program]) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(answers) <= {201, 409} and 201 in answers
    assert Run.objects.count() == 1
