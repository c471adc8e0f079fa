"""Notices on their way out: by e-mail, and by a webhook whose body is signed.

A thread of a worker sends what is due. Each notice is claimed first by moving its time on, so that two workers do not
send it at once; one that a kill interrupts is sent again later, and may then come twice. A receiver knows it by its
`id`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

import aiohttp
import orjson
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F
from django.utils import timezone

from madsafe_web.core import crypto, outbound
from madsafe_web.core.models import RunNotice, User

logger = logging.getLogger(__name__)
AT_ONCE = 20  # notices in one round
MOST_TRIES = 8
FIRST_WAIT = timedelta(minutes=1)  # doubled with every try: the last one comes two hours after the first
TIMEOUT_S = 10.0
WAYS = ("mail", "hook")


class NotSent(Exception):
    """The notice did not arrive. The message says why and holds no secret."""


def notices_send() -> int:
    """Send what is due; returns how many notices were sent. What did not arrive is tried again, at most eight times."""
    return sum(_send_due(way) for way in WAYS)


def _send_due(way: str) -> int:
    now = timezone.now()
    due = RunNotice.objects.filter(**{f"{way}_due__lte": now}).select_related("user", "run").order_by("pk")[:AT_ONCE]
    return sum(_send(way, notice, now) for notice in due)


def _send(way: str, notice: RunNotice, now: datetime) -> bool:
    tried, due = getattr(notice, f"{way}_tries"), getattr(notice, f"{way}_due")
    again = now + FIRST_WAIT * 2**tried if tried + 1 < MOST_TRIES else None
    row = RunNotice.objects.filter(pk=notice.pk)
    if not row.filter(**{f"{way}_due": due}).update(**{f"{way}_due": again, f"{way}_tries": F(f"{way}_tries") + 1}):
        return False  # another worker has it
    try:
        {"mail": mail, "hook": post}[way](notice)
    except NotSent as error:
        logger.warning("notice %s was not sent (%s of %s tries): %s", notice.pk, tried + 1, MOST_TRIES, error)
        return False
    except Exception:  # whatever it is, the other notices are sent; this one is tried again too
        logger.exception("notice %s was not sent (%s of %s tries)", notice.pk, tried + 1, MOST_TRIES)
        return False
    row.update(**{f"{way}_due": None})
    return True


def mail(notice: RunNotice) -> None:
    """Say what the run came to and where to look, and no more: its error may hold words of a server. Raises NotSent."""
    subject = f"MadSafe: {notice.run} is {notice.get_state_display().lower()}"
    text = f"{notice.run}, which you started, is {notice.get_state_display().lower()}.\n\n{link(notice)}"
    try:
        send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, [notice.user.email])
    except (SMTPException, OSError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from None


def post(notice: RunNotice) -> None:
    """POST the notice as JSON to the person's address. Raises NotSent."""
    body = orjson.dumps(facts(notice))
    try:
        target = outbound.target(notice.user.hook_url)
        headers = {"Content-Type": "application/json", "X-MadSafe-Signature": signature(notice.user, body)}
        asyncio.run(_posted(target, body, headers))
    except (outbound.Refused, crypto.SecretError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from None


async def _posted(target: outbound.Target, body: bytes, headers: dict[str, str]) -> None:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        outbound.session(target, timeout, headers) as session,
        session.post(target.url, data=body, allow_redirects=False) as answer,
    ):
        if not 200 <= answer.status < 300:
            raise NotSent(f"the server answered {answer.status}")


def facts(notice: RunNotice) -> dict[str, object]:
    """What is told: never a text of a prompt, nor what the run was asked to do."""
    return {
        "id": notice.pk,
        "run": notice.run_id,
        "stage": notice.run.stage,
        "state": notice.state,
        "at": notice.at.isoformat(),
        "url": link(notice),
    }


def link(notice: RunNotice) -> str:
    return f"{settings.MADSAFE_URL.rstrip('/')}/runs/{notice.run_id}/"


def signature(user: User, body: bytes) -> str:
    """The word "sha256=" and the HMAC of the body under the person's secret, in hex. Raises crypto.SecretError."""
    key = crypto.decrypt(user.hook_secret).encode()
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
