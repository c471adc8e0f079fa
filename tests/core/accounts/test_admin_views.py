"""The pages of people: what admins see and do there, and that nobody else makes an account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from madsafe_web.core.accounts.tokens import token_create
from madsafe_web.core.models import User
from tests.factories import Person, make_user
from tests.helpers.queries import query_count
from tests.roles import ADDRESSES, ROLES
from tests.world import make_world

pytestmark = pytest.mark.django_db
LIST = "/accounts/users/"
MOST_QUERIES = 6  # session, person, count, rows; the frame: steps of the method, workers


def url(verb: str, user: User) -> str:
    return reverse(f"accounts:user{verb}", args=[user.pk])


def shown_once(answer: Any) -> str:
    """The secret on the page."""
    found = re.search(r'id="once" value="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def test_the_list_tells_role_state_and_last_sign_in(admin: Person) -> None:
    make_user("one", User.Role.REVIEWER)
    User.objects.create(username="two", is_active=False), User.objects.create(username="six", must_change_password=True)
    text = admin.get(LIST).content.decode()
    assert all(word in text for word in ("one", "Reviewer", "Disabled", "One-time password", "Active", "never"))


def test_the_list_costs_the_same_for_few_and_many(admin: Person) -> None:
    few = query_count(lambda: admin.get(LIST))
    User.objects.bulk_create(User(username=f"person{n}") for n in range(60))
    assert query_count(lambda: admin.get(LIST)) == few <= MOST_QUERIES


def test_the_list_has_pages(admin: Person) -> None:
    User.objects.bulk_create(User(username=f"person{n}") for n in range(60))
    first = admin.get(LIST)
    assert "person59" in first.content.decode() and "person5<" not in first.content.decode()
    second = admin.get(f"{LIST}?{first.context['pager'].next}")
    assert "person5<" in second.content.decode()


def test_an_admin_makes_an_account_and_reads_its_password_once(admin: Person) -> None:
    answer = admin.post(LIST, {"username": "new", "role": "reviewer"})
    password = shown_once(answer)
    user = User.objects.get(username="new")
    assert user.role == "reviewer" and user.check_password(password)
    assert password not in admin.get(LIST).content.decode() + admin.get(url("", user)).content.decode()


def test_the_one_time_password_opens_the_way_to_an_own_one(admin: Person) -> None:
    password = shown_once(admin.post(LIST, {"username": "new", "role": "reviewer"}))
    browser = Client()
    answer = browser.post("/accounts/login/", {"username": "new", "password": password}, follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/password/"


@pytest.mark.parametrize("form", [{"username": "admin"}, {"username": "two words"}, {"username": ""}, {"role": "king"}])
def test_a_form_that_cannot_be_is_shown_again(form: dict[str, str], admin: Person) -> None:
    answer = admin.post(LIST, {"username": "new", "role": "lead", **form})
    assert answer.status_code == 422 and "field-error" in answer.content.decode()
    assert User.objects.count() == 1


def test_an_admin_gives_another_role(admin: Person) -> None:
    user = make_user("one")
    answer = admin.post(url("-role", user), {"role": "lead"}, follow=True)
    assert "one now has the role Lead." in answer.content.decode()
    assert User.objects.get(username="one").role == "lead"


@pytest.mark.parametrize("verb", ["-role", "-disable"])
def test_that_it_is_the_last_admin_is_told(verb: str, admin: Person) -> None:
    answer = admin.post(url(verb, admin.user), {"role": "lead"}, follow=True)
    assert "This is the last active admin." in answer.content.decode()


def test_disabling_offers_to_undo_it(admin: Person) -> None:
    user = make_user("one")
    text = admin.post(url("-disable", user), follow=True).content.decode()
    assert "one is disabled." in text
    assert len(re.findall(f'action="{url("-enable", user)}"', text)) == 2  # in the toast and on the page
    admin.post(url("-enable", user))
    assert User.objects.get(username="one").is_active


def test_how_many_tokens_went_is_told(admin: Person) -> None:
    user = make_user("one")
    token_create(user=user, name="a token", rights=["browse"])
    assert "1 token is revoked for good." in admin.post(url("-disable", user), follow=True).content.decode()


def test_who_is_disabled_is_out_at_once_and_stays_out_when_enabled_again(admin: Person, lead: Person) -> None:
    make_user("another lead", User.Role.LEAD)
    admin.post(url("-disable", lead.user))
    assert lead.get("/runs/").status_code == 302
    admin.post(url("-enable", lead.user))
    assert lead.get("/runs/").status_code == 302


def test_a_new_one_time_password_is_shown_once_and_ends_the_sessions(admin: Person, lead: Person) -> None:
    password = shown_once(admin.post(url("-password", lead.user)))
    lead.user.refresh_from_db()
    assert lead.user.check_password(password) and lead.user.must_change_password
    assert lead.get("/runs/").status_code == 302
    assert password not in admin.get(url("", lead.user)).content.decode()


def test_an_admin_signs_a_person_out_everywhere(admin: Person, lead: Person) -> None:
    admin.post(url("-signout", lead.user))
    assert lead.get("/runs/").status_code == 302


def test_an_admin_revokes_a_persons_token(admin: Person) -> None:
    user = make_user("one")
    row = token_create(user=user, name="a token", rights=["browse"]).row
    assert "a token" in admin.get(url("", user)).content.decode()
    assert admin.post(f"/accounts/tokens/{row.pk}/revoke/")["Location"] == url("", user)
    row.refresh_from_db()
    assert row.revoked


def test_no_address_makes_an_account_for_anybody_but_an_admin(settings: Any, tmp_path: Path) -> None:
    """There is no self-registration: every address, each role, with what such a form would hold."""
    settings.VAR_DIR = tmp_path
    world = make_world(tmp_path)
    before = set(User.objects.values_list("username", flat=True))
    form = {"username": "intruder", "role": "admin", "password1": "a long test password"}
    form |= {"password2": "a long test password", "password": "a long test password", "email": "x@example.org"}
    for role in ROLES[:-1]:
        for name in ADDRESSES:
            browser = Client()
            if role != "anonymous":
                browser.force_login(User.objects.get(username=role))
            browser.post(reverse(name, args=world.get(name, [])), form)
    assert set(User.objects.values_list("username", flat=True)) == before
    assert not User.objects.exclude(username="admin").filter(role="admin").exists()
