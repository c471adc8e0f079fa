"""`/healthz` and `manage.py health`: what is asked, how long it may take, and what strangers do not learn."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError

from madsafe_web.core import health
from madsafe_web.core.models import WorkerPulse
from tests.factories import Person
from tests.helpers.installation import free_port


@pytest.fixture(autouse=True)
def nobody_hangs() -> Iterator[None]:
    health._asking.clear()
    yield
    health._asking.clear()


@pytest.fixture
def all_well(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("last_heard", "broker", "disk"):
        monkeypatch.setattr(health, name, lambda: "ok")
    return monkeypatch


def heard(seconds_ago: float) -> None:
    WorkerPulse.objects.create(name=f"elsewhere/{seconds_ago}", at=timezone.now() - timedelta(seconds=seconds_ago))


def refuse() -> str:
    raise DatabaseError("no")


def test_all_well_is_told_to_anybody_in_one_word_each(all_well: pytest.MonkeyPatch) -> None:
    answer = Client().get("/healthz")
    checks = dict.fromkeys(("database", "broker", "worker", "disk"), "ok")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": checks})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_only_read(method: str) -> None:
    assert getattr(Client(), method)("/healthz").status_code == 405


def test_a_database_that_is_away_is_told_without_it_even_to_who_has_a_session(all_well: pytest.MonkeyPatch) -> None:
    all_well.setattr(health, "last_heard", refuse)
    browser = Client()
    browser.cookies["sessionid"] = "of somebody who was signed in"
    answer = browser.get("/healthz")  # pytest-django refuses every use of the database in this test
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert answer.json()["checks"] == {"database": "away", "broker": "ok", "worker": "unknown", "disk": "ok"}


def test_any_host_name_gets_an_answer(all_well: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz", HTTP_HOST="10.1.2.3:8000").status_code == 200


def test_a_public_address_answers_a_plain_question_too(all_well: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200


@pytest.mark.parametrize(("part", "said"), [("broker", "away"), ("last_heard", "silent 42 s"), ("disk", "low")])
def test_what_the_pages_can_do_without_leaves_the_site_degraded(
    all_well: pytest.MonkeyPatch, part: str, said: str
) -> None:
    all_well.setattr(health, part, lambda: said)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


def test_a_folder_that_takes_no_file_is_down(all_well: pytest.MonkeyPatch) -> None:
    all_well.setattr(health, "disk", lambda: "full")
    assert Client().get("/healthz").status_code == 503


def test_a_part_that_hangs_is_not_waited_for_nor_asked_again() -> None:
    release, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        release.wait(100)
        return "ok"

    assert health.bounded("part", 0.05, hang, "away") == "away"  # "ok", had it been waited for
    assert health.bounded("part", 0.05, hang, "away") == "away"
    assert asked == [1]
    release.set()
    health._asking["part"][0].join(100)
    assert health.bounded("part", 100, lambda: "ok", "away") == "ok"


def test_who_asks_while_a_part_is_being_asked_gets_its_answer() -> None:
    asked, answers = threading.Event(), []

    def slow() -> str:
        asked.wait(100)
        return "ok"

    both = [
        threading.Thread(target=lambda: answers.append(health.bounded("slow part", 100, slow, "away"))) for _ in "12"
    ]
    for thread in both:
        thread.start()
    asked.set()
    for thread in both:
        thread.join(100)
    assert answers == ["ok", "ok"]


@pytest.mark.django_db
@pytest.mark.parametrize(("ages", "said"), [([], "none"), ([300, 3], "ok"), ([300, 45.5], "silent 45 s")])
def test_the_newest_sign_of_a_worker_counts(ages: list[float], said: str) -> None:
    for age in ages:
        heard(age)
    assert health.last_heard().replace("46", "45") == said


def test_a_broker_in_a_folder_needs_only_the_folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    assert health.broker() == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_is_not_there_is_not_tried_for_long(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from madsafe_web.celery import app

    address = f"redis://127.0.0.1:{free_port()}/0"
    settings.CELERY_BROKER_URL = address
    monkeypatch.setattr(app.conf, "broker_url", address)
    with pytest.raises(OperationalError):
        health.broker()


def test_little_space_is_low_and_none_is_full(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.DISK_LOW_MB = 0
    assert health.disk() == "ok"
    settings.DISK_LOW_MB = 10**9
    assert health.disk() == "low"
    settings.VAR_DIR = tmp_path / "gone"
    assert health.disk() == "full"


def test_the_question_leaves_no_file(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    health.disk()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("worker", "options", "code"), [("ok", [], 0), ("none", [], 0), ("none", ["--strict"], 1), ("away", [], 1)]
)
def test_the_command_tells_by_its_exit_status(
    all_well: pytest.MonkeyPatch, worker: str, options: list[str], code: int
) -> None:
    all_well.setattr(health, "last_heard", lambda: worker)
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("health", *options, stdout=out)
    assert end.value.code == code
    assert f"worker: {worker if worker != 'away' else 'unknown'}\n" in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "code"), [("here", 0), ("elsewhere", 1)])
def test_a_container_of_a_worker_asks_for_its_own(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    WorkerPulse.objects.create(name=f"{name}/1", at=timezone.now())
    with pytest.raises(SystemExit) as end:
        call_command("health", "--worker", stdout=io.StringIO())
    assert end.value.code == code


def test_a_signed_in_person_gets_the_same(lead: Person, all_well: pytest.MonkeyPatch) -> None:
    assert lead.get("/healthz").json()["status"] == "ok"
