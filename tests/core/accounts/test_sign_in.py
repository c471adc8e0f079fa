"""Signing in: one answer for every failure, the limit of attempts, the way back, one-time passwords, the record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client
from django.utils import timezone

from madsafe_web.core.models import AuditEvent, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "a long test password", "another long password"
LOGIN, OWN = "/accounts/login/", "/accounts/password/"


def person(name: str = "lead", role: str = User.Role.LEAD, **values: Any) -> User:
    user = make_user(name, role)
    user.set_password(PASSWORD)
    for field, value in values.items():
        setattr(user, field, value)
    user.save()
    return user


def sign_in(name: str = "lead", password: str = PASSWORD, browser: Client | None = None, **kwargs: Any) -> Any:
    return (browser or Client()).post(LOGIN, {"username": name, "password": password}, **kwargs)


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("sequence").values_list("verb", "subject"))


@pytest.fixture
def argon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often Argon2 is computed."""
    runs: Counter[str] = Counter()
    for name in ("encode", "verify"):
        original = getattr(Argon2PasswordHasher, name)

        def counted(self: Any, *args: Any, original: Any = original) -> Any:
            runs["argon2"] += 1
            return original(self, *args)

        monkeypatch.setattr(Argon2PasswordHasher, name, counted)
    yield runs


def failures() -> dict[str, tuple[str, str]]:
    person(), person("gone", is_active=False), make_user("without")
    return {
        "unknown": ("nobody", PASSWORD),
        "wrong": ("lead", "a wrong password"),
        "disabled": ("gone", PASSWORD),
        "disabled and wrong": ("gone", "a wrong password"),
        "without a password": ("without", PASSWORD),
    }


def text_of(answer: Any, name: str) -> str:
    """The page without what differs by request: the token of the form, and the name that was typed."""
    page = re.sub(r'csrf\w*"[^>]*value="\w+"|x-csrftoken": "\w+"', "", answer.content.decode())
    return page.replace(f'value="{name}"', "")


def test_every_failure_is_told_in_the_same_words() -> None:
    answers = {(name, password): sign_in(name, password) for name, password in failures().values()}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert len({text_of(answer, name) for (name, _), answer in answers.items()}) == 1


def test_every_failure_costs_one_argon2(argon: Counter[str]) -> None:
    cases = failures()
    for name, password in cases.values():
        argon.clear()
        sign_in(name, password)
        assert argon["argon2"] == 1, name


def test_after_five_failures_even_the_right_password_waits() -> None:
    person()
    answers = [sign_in(password="a wrong password").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    assert sign_in().status_code == 429


@pytest.mark.parametrize(("language", "words"), [("en", "Try again in 15 minutes"), ("zh-hans", "15 分钟")])
def test_who_is_locked_out_is_told_for_how_long(language: str, words: str) -> None:
    for _ in range(5):
        answer = sign_in(password="a wrong password", headers={"accept-language": language})
    assert answer.status_code == 429 and words in answer.content.decode()


def test_the_lock_ends_after_fifteen_minutes() -> None:
    person()
    for _ in range(5):
        sign_in(password="a wrong password")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert sign_in().status_code == 302


def test_the_lock_holds_for_one_name_from_one_address_only() -> None:
    person(), person("other")
    for _ in range(5):
        sign_in(password="a wrong password")
    assert sign_in("other").status_code == 302
    assert sign_in(REMOTE_ADDR="192.0.2.7").status_code == 302


def test_a_header_does_not_free_from_the_lock() -> None:
    person()
    for number in range(5):
        sign_in(password="a wrong password", headers={"x-forwarded-for": f"192.0.2.{number}"})
    assert sign_in(headers={"x-forwarded-for": "192.0.2.99"}).status_code == 429


def test_what_is_kept_of_failed_attempts_holds_no_password() -> None:
    sign_in("nobody", "a secret typed here")
    assert "a secret typed here" not in str(AccessAttempt.objects.values().get())


def test_the_record_tells_of_sign_ins_failures_locks_and_sign_outs() -> None:
    person()
    browser = Client()
    sign_in(browser=browser)
    browser.post("/accounts/logout/")
    for _ in range(6):
        sign_in("nobody", "a wrong password")
    assert events() == [
        ("login", "lead"),
        ("logout", "lead"),
        *[("login.failed", "nobody")] * 5,
        ("login.locked", "nobody"),
    ]


def test_a_failure_is_recorded_of_nobody_with_the_address_and_without_the_password() -> None:
    sign_in("nobody", "a secret typed here", REMOTE_ADDR="192.0.2.7")
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name, event.address) == (None, "(not signed in)", "192.0.2.7")
    assert "a secret typed here" not in str(vars(event))


def test_a_name_that_is_too_long_is_cut_wherever_it_is_kept() -> None:
    assert sign_in("x" * 400).status_code == 200
    assert len(AuditEvent.objects.get().subject) <= 150 and len(AccessAttempt.objects.get().username) == 150


def test_an_empty_form_is_no_failure() -> None:
    sign_in("", "")
    assert events() == []


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/runs/", "/runs/"),
        ("https://example.com/", "/"),
        ("//example.com/", "/"),
        ("\\\\example.com/", "/"),
        ("javascript:void(0)", "/"),
        ("/\\example.com", "/"),
    ],
)
def test_signing_in_leads_to_pages_of_ours_only(asked: str, led: str) -> None:
    person()
    answer = Client().post(LOGIN, {"username": "lead", "password": PASSWORD, "next": asked})
    assert answer["Location"] == led


def test_signing_in_changes_the_session_key() -> None:
    person()
    browser = Client()
    session = browser.session
    session.save()
    browser.cookies["sessionid"] = session.session_key
    sign_in(browser=browser)
    assert browser.cookies["sessionid"].value != session.session_key


def test_a_session_is_gone_after_signing_out() -> None:
    person()
    browser = Client()
    sign_in(browser=browser)
    key = browser.cookies["sessionid"].value
    browser.post("/accounts/logout/")
    browser.cookies["sessionid"] = key
    assert browser.get("/runs/").status_code == 302


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one() -> None:
    person()
    here, there = Client(), Client()
    sign_in(browser=here), sign_in(browser=there)
    answer = here.post(OWN, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert answer["Location"] == "/"
    assert here.get("/runs/").status_code == 200
    assert there.get("/runs/").status_code == 302


@pytest.mark.parametrize("new", ["short word", "lead-lead-lead", "password1234", PASSWORD])
def test_a_password_that_is_short_like_the_name_common_or_the_old_one_is_refused(new: str) -> None:
    user = person(username="lead-lead-lead")
    browser = Client()
    browser.force_login(user)
    answer = browser.post(OWN, {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    assert answer.status_code == 200 and 'class="field-error"' in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


@pytest.fixture
def newcomer() -> Client:
    """A browser signed in with a one-time password."""
    person(must_change_password=True)
    browser = Client()
    sign_in(browser=browser)
    return browser


@pytest.mark.parametrize("path", ["/", "/runs/", "/accounts/profile/", "/accounts/tokens/"])
def test_with_a_one_time_password_every_page_leads_to_choosing_an_own_one(path: str, newcomer: Client) -> None:
    assert newcomer.get(path)["Location"] == OWN
    assert newcomer.post(path)["Location"] == OWN


def test_htmx_is_sent_to_choosing_an_own_password_as_a_whole_page(newcomer: Client) -> None:
    answer = newcomer.get("/labels/", headers={"hx-request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, OWN)


def test_an_own_password_opens_the_pages(newcomer: Client) -> None:
    newcomer.post(OWN, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert newcomer.get("/runs/").status_code == 200


def test_the_one_time_password_cannot_be_kept(newcomer: Client) -> None:
    newcomer.post(OWN, {"old_password": PASSWORD, "new_password1": PASSWORD, "new_password2": PASSWORD})
    assert newcomer.get("/runs/")["Location"] == OWN


def test_who_has_a_one_time_password_can_sign_out(newcomer: Client) -> None:
    assert newcomer.post("/accounts/logout/")["Location"] == LOGIN


def test_the_theme_of_the_profile_is_drawn_from_the_sign_in_on() -> None:
    person(theme="dark")
    browser = Client()
    assert sign_in(browser=browser).cookies["theme"].value == "dark"
    assert 'data-bs-theme="dark"' in browser.get("/runs/").content.decode()
