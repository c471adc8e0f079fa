"""The services of people: who is made, changed, shut out, and what the record says of it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, connections

from madsafe_web.core.accounts import services
from madsafe_web.core.accounts.services import PeopleError
from madsafe_web.core.accounts.tokens import token_create
from madsafe_web.core.models import AuditEvent, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
R = User.Role


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("sequence")


@pytest.fixture
def boss() -> User:
    return make_user("boss", R.ADMIN)


def test_a_new_account_has_a_one_time_password_that_only_the_caller_gets(boss: User) -> None:
    made = services.user_create(username="new", role=R.REVIEWER, by=boss)
    user = User.objects.get(username="new")
    assert user.role == R.REVIEWER and user.must_change_password and user.check_password(made.password)
    assert made.password not in user.password and made.password not in repr(made)


def test_a_new_account_is_recorded_without_its_password(boss: User) -> None:
    made = services.user_create(username="new", role=R.LEAD, by=boss)
    event = last_event()
    assert (event.actor, event.verb, event.subject) == (boss, "user.create", "new")
    assert event.facts == {"before": None, "after": {"role": "lead"}}
    assert made.password not in str(vars(event))


def test_one_time_passwords_differ_and_pass_the_rules() -> None:
    words = {services.one_time_password() for _ in range(100)}
    assert len(words) == 100
    for word in words:
        validate_password(word)


@pytest.mark.parametrize("name", ["boss", "BOSS"])
def test_a_name_is_given_once_in_whatever_case(name: str, boss: User) -> None:
    with pytest.raises(PeopleError):
        services.user_create(username=name, role=R.LEAD, by=boss)
    assert User.objects.count() == 1 and not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["", "two words", "system (root)", "x" * 151])
def test_a_name_that_could_be_read_as_something_else_is_refused(name: str, boss: User) -> None:
    with pytest.raises(ValidationError):
        services.user_create(username=name, role=R.LEAD, by=boss)


def test_a_role_that_does_not_exist_is_refused(boss: User) -> None:
    with pytest.raises(ValidationError):
        services.user_create(username="new", role="emperor", by=boss)


def test_another_role_is_recorded_with_the_one_before(boss: User) -> None:
    user = services.user_role_set(user=make_user("one", R.ANNOTATOR), role=R.LEAD, by=boss)
    assert user.role == User.objects.get(pk=user.pk).role == R.LEAD
    assert (last_event().verb, last_event().facts) == ("user.role", {"before": "annotator", "after": "lead"})


def test_the_same_role_is_no_change(boss: User) -> None:
    services.user_role_set(user=boss, role=R.ADMIN, by=boss)
    assert not AuditEvent.objects.exists()


def test_who_is_no_admin_any_more_is_no_superuser_either(boss: User) -> None:
    User.objects.filter(pk=make_user("other", R.ADMIN).pk).update(is_superuser=True)
    other = services.user_role_set(user=User.objects.get(username="other"), role=R.LEAD, by=boss)
    assert not User.objects.get(pk=other.pk).is_superuser


@pytest.mark.parametrize("role", [R.ADMIN, R.LEAD])
@pytest.mark.parametrize("act", ["role", "disable"])
def test_the_last_active_admin_and_the_last_active_lead_stay(role: str, act: str, boss: User) -> None:
    last = boss if role == R.ADMIN else make_user("last", role)
    User.objects.create(username="gone", role=role, is_active=False)
    with pytest.raises(PeopleError):
        if act == "role":
            services.user_role_set(user=last, role=R.REVIEWER, by=boss)
        else:
            services.user_disable(user=last, by=boss)
    last.refresh_from_db()
    assert last.is_active and last.role == role and not AuditEvent.objects.exists()


def test_one_of_two_admins_may_go(boss: User) -> None:
    services.user_disable(user=make_user("other", R.ADMIN), by=boss)
    assert not User.objects.get(username="other").is_active


def test_who_is_disabled_loses_sessions_and_tokens(boss: User) -> None:
    user = make_user("one")
    token = token_create(user=user, name="a token", rights=["browse"]).row
    assert services.user_disable(user=user, by=boss) == 1
    user.refresh_from_db(), token.refresh_from_db()
    assert not user.is_active and user.session_epoch == 1 and token.revoked
    assert last_event().facts == {"before": "active", "after": "disabled", "tokens_revoked": 1}


def test_who_is_disabled_twice_is_recorded_once(boss: User) -> None:
    user = make_user("one")
    services.user_disable(user=user, by=boss)
    services.user_disable(user=user, by=boss)
    assert AuditEvent.objects.filter(verb="user.disable").count() == 1


def test_who_is_enabled_again_keeps_the_password_and_gets_no_token_back(boss: User) -> None:
    user = make_user("one")
    token = token_create(user=user, name="a token", rights=["browse"]).row
    services.user_disable(user=user, by=boss)
    services.user_enable(user=user, by=boss)
    user.refresh_from_db(), token.refresh_from_db()
    assert user.is_active and token.revoked
    assert (last_event().verb, last_event().facts) == ("user.enable", {"before": "disabled", "after": "active"})


def test_a_reset_password_is_a_one_time_one_and_the_old_one_ends(boss: User) -> None:
    user = services.user_create(username="one", role=R.LEAD, by=boss)
    made = services.password_reset(user=user.user, by=boss)
    row = User.objects.get(username="one")
    assert row.check_password(made.password) and not row.check_password(user.password)
    assert row.must_change_password and row.session_epoch == 1
    assert (last_event().verb, last_event().facts) == ("user.password", {"one_time": True})


def test_an_own_password_ends_the_one_time_one(boss: User) -> None:
    user = services.user_create(username="one", role=R.LEAD, by=boss).user
    services.own_password_set(user=user, password="a long own password")
    assert not User.objects.get(username="one").must_change_password
    assert last_event().facts == {"one_time": False, "was_one_time": True}


def test_signing_out_everywhere_is_recorded(boss: User) -> None:
    user = make_user("one")
    services.sign_out_everywhere(user=user, by=boss)
    assert User.objects.get(pk=user.pk).session_epoch == 1
    assert (last_event().actor, last_event().verb, last_event().subject) == (boss, "user.signout", "one")


@pytest.mark.parametrize(("name", "value"), [("language", "xx"), ("theme", "pink"), ("time_zone", "Moon/Base")])
def test_a_preference_that_does_not_exist_is_not_kept(name: str, value: str, boss: User) -> None:
    with pytest.raises(ValueError, match=name):
        services.preferences_set(user=boss, **{name: value})


def test_superusers_of_an_old_installation_become_admins() -> None:
    User.objects.create(username="old", is_superuser=True), make_user("one")
    migration = importlib.import_module("madsafe_web.core.migrations.0005_superusers_are_admins")
    migration.to_admins(apps, SimpleNamespace(connection=connection))
    assert dict(User.objects.values_list("username", "role")) == {"old": "admin", "one": "annotator"}


def together(*acts: Callable[[], object]) -> list[str]:
    """Do these at the same time, each in a thread; names of the errors."""
    errors: list[str] = []
    start = threading.Barrier(len(acts))

    def work(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except PeopleError as error:
            errors.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return errors


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_disable_each_other_at_once_leave_one() -> None:
    one, two = make_user("one", R.ADMIN), make_user("two", R.ADMIN)
    errors = together(lambda: services.user_disable(user=one, by=two), lambda: services.user_disable(user=two, by=one))
    assert errors == ["PeopleError"]
    assert User.objects.filter(role=R.ADMIN, is_active=True).count() == 1
