"""The only writers of people: accounts, roles, passwords, sessions and preferences."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from madsafe_web.core.audit import audit
from madsafe_web.core.models import ApiToken, User

R = User.Role
KEPT = (R.ADMIN, R.LEAD)  # roles that an installation never loses its last active person of
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is easily read as something else
GROUPS, GROUP_LETTERS = 4, 5  # 31 ** 20: about 99 random bits


class PeopleError(Exception):
    """Something that cannot be done to an account. The message tells people what to do."""


@dataclass(frozen=True, slots=True)
class OneTime:
    """A person and the password that was made for them: it stands here once and nowhere else."""

    user: User
    password: str = field(repr=False)


def one_time_password() -> str:
    """A random password that is easy to copy by hand."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(GROUP_LETTERS)) for _ in range(GROUPS))
    return "-".join(groups)


def user_create(*, username: str, role: str, by: User | None) -> OneTime:
    """A new account with a one-time password.

    Raises PeopleError when the name is taken, in whatever case of its letters, and ValidationError for a bad one.
    """
    password = one_time_password()
    user = User(username=username, role=role, is_superuser=role == R.ADMIN, must_change_password=True)
    user.password = make_password(password)  # slow on purpose, so before the transaction
    user.clean_fields()
    try:
        with transaction.atomic():
            if User.objects.filter(username__iexact=username).exists():
                raise IntegrityError
            user.save(force_insert=True)
            audit(by, "user.create", username, before=None, after={"role": role})
    except IntegrityError:
        raise PeopleError(_("There is an account of this name already.")) from None
    return OneTime(user, password)


@transaction.atomic
def user_role_set(*, user: User, role: str, by: User | None) -> User:
    """Give a person another role, which holds from their next request on. Raises PeopleError for the last of a role."""
    held, last = _locked(user)
    if held.role == role:
        return held
    if last:
        raise PeopleError(_last_of(held.role))
    before, held.role, held.is_superuser = held.role, role, role == R.ADMIN
    held.save(update_fields=["role", "is_superuser"])
    audit(by, "user.role", held.username, before=before, after=role)
    return held


@transaction.atomic
def user_disable(*, user: User, by: User | None) -> int:
    """Shut a person out: sessions end and tokens are revoked for good; returns how many tokens.

    Raises PeopleError for the last active person of a role.
    """
    held, last = _locked(user)
    if not held.is_active:
        return 0
    if last:
        raise PeopleError(_last_of(held.role))
    held.is_active, held.session_epoch = False, held.session_epoch + 1
    held.save(update_fields=["is_active", "session_epoch"])
    revoked = ApiToken.objects.filter(user=held, revoked=None).update(revoked=timezone.now())
    audit(by, "user.disable", held.username, before="active", after="disabled", tokens_revoked=revoked)
    return revoked


@transaction.atomic
def user_enable(*, user: User, by: User | None) -> None:
    """Let a disabled person sign in again, with the password they had."""
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        audit(by, "user.enable", user.username, before="disabled", after="active")


def password_reset(*, user: User, by: User | None) -> OneTime:
    """A new one-time password for a person; the old one and all sessions end."""
    password = one_time_password()
    hashed = make_password(password)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(
            password=hashed, must_change_password=True, session_epoch=F("session_epoch") + 1
        )
        audit(by, "user.password", user.username, one_time=True)
    return OneTime(user, password)


def own_password_set(*, user: User, password: str) -> None:
    """The password that a person chose; a one-time one is then no longer asked to be changed."""
    one_time = user.must_change_password
    user.set_password(password)
    user.must_change_password = False
    with transaction.atomic():
        user.save(update_fields=["password", "must_change_password"])
        audit(user, "user.password", user.username, one_time=False, was_one_time=one_time)


@transaction.atomic
def sign_out_everywhere(*, user: User, by: User | None) -> None:
    """End all sessions of a person. Tokens stay: they are no sessions, and each is revoked by itself."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    audit(by, "user.signout", user.username)


def preferences_set(*, user: User, **preferences: str) -> None:
    """Keep what a person chose of `language`, `theme` and `time_zone`. Raises ValueError for what does not exist."""
    for name, value in preferences.items():
        if value not in PREFERENCES[name]():
            raise ValueError(f"{name} cannot be {value!r}")
        setattr(user, name, value)
    user.save(update_fields=list(preferences))


# The values of each preference; "" is the choice of the browser or the server.
PREFERENCES: dict[str, Callable[[], set[str]]] = {
    "language": lambda: {"", *dict(settings.LANGUAGES)},
    "theme": lambda: set(User.Theme.values),
    "time_zone": lambda: {"", *available_timezones()},
}


def _locked(user: User) -> tuple[User, bool]:
    """The person, locked until the transaction ends, and whether they are the last active one of a role to keep.

    All who hold such a role are locked with them, in one order: of two requests that would each take one of the last
    two, the second waits and then finds one only.
    """
    holders = Q(role__in=KEPT, is_active=True)
    rows = User.objects.select_for_update(no_key=True).filter(Q(pk=user.pk) | holders).order_by("pk")
    people = {row.pk: row for row in rows}
    held = people.pop(user.pk)
    alone = not any(other.role == held.role for other in people.values())
    return held, held.is_active and held.role in KEPT and alone


def _last_of(role: str) -> str:
    if role == R.ADMIN:
        return _("This is the last active admin. Make somebody else an admin first.")
    return _("This is the last active lead. Make somebody else a lead first.")
