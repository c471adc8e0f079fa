"""The bell: whoever started a run is told when it comes to rest. `User.unseen` counts without a look at the notices."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from yarl import URL

from madsafe_web.core import crypto, outbound
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, RunNotice, User


class MissingSecret(Exception):
    """A webhook without a secret to sign with."""


def notice_add(run: Run, state: str) -> None:
    """Tell the person who started the run, in the transaction that brings it to rest. Commands have nobody to tell."""
    if run.actor_id is None:
        return
    user = User.objects.get(pk=run.actor_id)
    now = timezone.now()
    RunNotice.objects.create(
        user=user,
        run=run,
        state=state,
        mail_due=now if user.notify_mail and user.email else None,
        hook_due=now if user.hook_url else None,
    )
    User.objects.filter(pk=user.pk).update(unseen=F("unseen") + 1)


@sensitive_variables("secret")
@transaction.atomic
def notify_set(*, user: User, mail: str, url: str, secret: str) -> None:
    """Send notices to this e-mail address and this webhook too; "" means neither.

    An empty `secret` keeps the stored one while the webhook stays on its server. Raises outbound.Refused for an address
    that must not be asked, MissingSecret, and crypto.SecretError where secrets cannot be stored.
    """
    row = User.objects.select_for_update().get(pk=user.pk)
    server = outbound.target(url).url.origin() if url else None
    kept = row.hook_secret if server is not None and server == _stored_server(row) else ""
    if url and not secret and not kept:
        raise MissingSecret
    row.notify_mail, row.email = bool(mail), mail or row.email
    row.hook_url = url
    row.hook_secret = (crypto.encrypt(secret) if secret else kept) if url else ""
    row.save(update_fields=["notify_mail", "email", "hook_url", "hook_secret"])
    audit(user, "user.notify", row.username, mail=row.notify_mail, hook=str(server) if server else "")


def _stored_server(row: User) -> URL | None:
    """The server of the webhook that is set; None without one, and for one that must not be asked any more."""
    try:
        return outbound.target(row.hook_url).url.origin()
    except outbound.Refused:
        return None


@transaction.atomic
def notices_seen(*, user: User, notice: int | None = None) -> int:
    """Mark what was told to a person as seen, all or one of them; returns how many are unseen still."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    rows = RunNotice.objects.filter(user=locked, seen=False)
    (rows.filter(pk=notice) if notice else rows).update(seen=True)
    user.unseen = locked.unseen = rows.count()
    locked.save(update_fields=["unseen"])
    return user.unseen
