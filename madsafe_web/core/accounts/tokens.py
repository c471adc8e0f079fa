"""Personal keys to the API: made, shown once, revoked. Only the hash of one is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from madsafe_web.core.access import RIGHTS, can
from madsafe_web.core.accounts.services import PeopleError
from madsafe_web.core.audit import audit
from madsafe_web.core.models import ApiToken, User

PREFIX = "mads_"  # tells a secret scanner, and a person, what a found text is
RANDOM_BYTES = 32
# What each right lets a person do, in the order of the forms.
WORDS = {
    "browse": gettext_lazy("Read corpora, prompts, labels, runs and results"),
    "merge": gettext_lazy("Decide about labels in the draft map"),
    "publish": gettext_lazy("Publish a map"),
    "review": gettext_lazy("Answer in the review queue"),
    "adjudicate": gettext_lazy("Settle conflicts and see agreement"),
    "run": gettext_lazy("Start and steer runs"),
    "train": gettext_lazy("Launch trainings"),
    "export": gettext_lazy("Export"),
    "administer": gettext_lazy("Manage people, endpoints and the audit record"),
}


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it was made: `secret` stands here once and nowhere else."""

    row: ApiToken
    secret: str = field(repr=False)


def token_digest(secret: str) -> str:
    """What is kept of a token: SHA-256 is enough where the secret has 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()


def rights_held(user: User) -> list[str]:
    """The rights that the user may give to a token, in the order of the forms."""
    return [right for right in WORDS if can(user, right)]


def tokens_live(user: User) -> QuerySet[ApiToken]:
    """The user's tokens that open something."""
    now = timezone.now()
    return ApiToken.objects.filter(Q(expires=None) | Q(expires__gt=now), user=user, revoked=None)


@transaction.atomic
def token_create(*, user: User, name: str, rights: Iterable[str], expires: datetime | None = None) -> NewToken:
    """A new token of the user. Raises PeopleError for no right, one the user lacks, a past expiry or a name in use."""
    chosen = [right for right in RIGHTS if right in set(rights)]
    if not chosen or set(rights) - set(rights_held(user)):
        raise PeopleError(_("Choose at least one right, and only such as you have yourself."))
    if expires and expires <= timezone.now():
        raise PeopleError(_("A token must expire in the future."))
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two requests do not make two of one name
    if tokens_live(user).filter(name=name).exists():
        raise PeopleError(_("You have a token of this name already. Revoke it first, or choose another name."))
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    row = ApiToken.objects.create(
        user=user, name=name, digest=token_digest(secret), hint=secret[-4:], rights=chosen, expires=expires
    )
    audit(user, "token.create", user.username, token=row.pk, name=name, rights=chosen, expires=expires)
    return NewToken(row, secret)


@transaction.atomic
def token_revoke(*, token: ApiToken, by: User | None) -> bool:
    """Revoke a token for good; whether it was still standing."""
    if not ApiToken.objects.filter(pk=token.pk, revoked=None).update(revoked=timezone.now()):
        return False
    audit(by, "token.revoke", token.user.username, token=token.pk, name=token.name)
    return True
