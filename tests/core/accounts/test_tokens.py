"""Tokens: what is kept of them, what they may do, and how they end."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from madsafe_web.core.access import RIGHTS
from madsafe_web.core.accounts.services import PeopleError
from madsafe_web.core.accounts.tokens import WORDS, rights_held, token_create, token_revoke
from madsafe_web.core.models import ApiToken, AuditEvent, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
R = User.Role


@pytest.fixture
def lead() -> User:
    return make_user("lead", R.LEAD)


def test_only_the_hash_of_a_token_is_kept(lead: User) -> None:
    made = token_create(user=lead, name="a token", rights=["run"])
    row = ApiToken.objects.get()
    assert made.secret.startswith("mads_") and len(made.secret) == len("mads_") + 43  # 256 bits in base64
    assert row.digest == hashlib.sha256(made.secret.encode()).hexdigest()
    assert row.hint == made.secret[-4:]
    assert made.secret not in f"{vars(row)} {repr(made)} {AuditEvent.objects.values()}"


def test_two_tokens_differ(lead: User) -> None:
    secrets = {token_create(user=lead, name=f"token {n}", rights=["run"]).secret for n in range(20)}
    assert len(secrets) == 20


def test_every_right_is_explained() -> None:
    assert set(WORDS) == set(RIGHTS)


@pytest.mark.parametrize("role", R.values)
def test_a_token_gets_no_right_that_its_owner_lacks(role: str) -> None:
    user = make_user("one", role)
    for right in RIGHTS:
        if right in rights_held(user):
            token_create(user=user, name=right, rights=[right])
        else:
            with pytest.raises(PeopleError):
                token_create(user=user, name=right, rights=["browse", right])
    assert set(ApiToken.objects.values_list("name", flat=True)) == set(rights_held(user))


def test_a_request_by_a_token_makes_no_token_that_can_more(lead: User) -> None:
    lead.limited_to = frozenset({"browse"})
    with pytest.raises(PeopleError):
        token_create(user=lead, name="a token", rights=["run"])


@pytest.mark.parametrize("rights", [[], ["fly"]])
def test_a_token_has_at_least_one_right_and_none_unheard_of(rights: list[str], lead: User) -> None:
    with pytest.raises(PeopleError):
        token_create(user=lead, name="a token", rights=rights)


def test_a_token_does_not_expire_in_the_past(lead: User) -> None:
    with pytest.raises(PeopleError):
        token_create(user=lead, name="a token", rights=["run"], expires=timezone.now() - timedelta(seconds=1))


def test_two_standing_tokens_of_a_person_have_two_names(lead: User) -> None:
    first = token_create(user=lead, name="a token", rights=["run"]).row
    with pytest.raises(PeopleError):
        token_create(user=lead, name="a token", rights=["run"])
    token_revoke(token=first, by=lead)
    token_create(user=lead, name="a token", rights=["run"])


def test_a_new_token_is_recorded_with_its_rights(lead: User) -> None:
    row = token_create(user=lead, name="a token", rights=["train", "run"]).row
    event = AuditEvent.objects.get()
    assert (event.actor, event.verb, event.subject) == (lead, "token.create", "lead")
    assert event.facts == {"token": row.pk, "name": "a token", "rights": ["run", "train"], "expires": None}


def test_a_token_is_revoked_once_for_good(lead: User) -> None:
    row = token_create(user=lead, name="a token", rights=["run"]).row
    boss = make_user("boss", R.ADMIN)
    assert token_revoke(token=row, by=boss) and not token_revoke(token=row, by=boss)
    events = AuditEvent.objects.filter(verb="token.revoke")
    assert [(event.actor, event.subject, event.facts["name"]) for event in events] == [(boss, "lead", "a token")]
