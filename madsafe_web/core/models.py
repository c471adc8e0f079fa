"""People and the record of what they did; the models of runs and language models are gathered here for Django."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.llm.models import Endpoint, EndpointSharer, Generation, PromptTemplate, TemplateVersion
from madsafe_web.core.runs.models import BudgetSlice, Chunk, RowTrail, Run, RunEvent, RunNotice, RunRow

__all__ = [
    "ApiToken",
    "AuditEvent",
    "AuditHead",
    "Chunk",
    "Endpoint",
    "EndpointSharer",
    "Generation",
    "IdempotentRequest",
    "PromptTemplate",
    "Run",
    "RunEvent",
    "RunNotice",
    "RunRow",
    "RowTrail",
    "BudgetSlice",
    "TemplateVersion",
    "User",
    "WorkerPulse",
]


class PersonManager(UserManager["User"]):
    """`createsuperuser` makes an admin: superuser and role never say different things."""

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra: Any
    ) -> User:
        return super().create_superuser(username, email, password, **{"role": User.Role.ADMIN, **extra})


class User(AbstractUser):
    """A person with exactly one role; what each role may do stands in `core.access`. Never deleted, only disabled."""

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("Annotator")
        REVIEWER = "reviewer", _("Reviewer")
        LEAD = "lead", _("Lead")
        ADMIN = "admin", _("Admin")

    class Theme(models.TextChoices):
        AUTO = "auto", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    role = models.CharField(max_length=12, choices=Role, default=Role.ANNOTATOR)
    must_change_password = models.BooleanField(default=False)  # the password is a one-time one
    session_epoch = models.PositiveIntegerField(default=0)  # one more ends all sessions
    language = models.CharField(max_length=12, blank=True)  # "" = as the browser asks
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.AUTO)
    time_zone = models.CharField(max_length=64, blank=True)  # "" = the server's
    # Notices of runs: how many are unseen, and how they are sent besides.
    unseen = models.PositiveIntegerField(default=0)
    notify_mail = models.BooleanField(default=False)
    hook_url = models.CharField(max_length=300, blank=True)
    hook_secret = models.TextField(blank=True)  # encrypted (core.crypto)
    keys = models.JSONField(default=dict, blank=True)  # action → key, where it is not the one of core.keys

    objects: ClassVar[PersonManager] = PersonManager()
    # While a request comes in by a token: the rights that the token has; None for a signed-in person.
    limited_to: frozenset[str] | None = None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's hash of the password, with the epoch, so that a person can be signed out everywhere."""
        salt = "madsafe_web.core.models.User.session"
        value = f"{self.session_epoch}/{self.password}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()


class ApiToken(models.Model):
    """A personal key to the API. Only its hash is kept; its rights are at most those of its owner."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the token, which has 256 random bits
    hint = models.CharField(max_length=4)  # its last characters
    rights = models.JSONField(default=list)  # names of core.access.RIGHTS
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True)
    last_used = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)


class IdempotentRequest(models.Model):
    """The answer to a write of the API that was sent with an Idempotency-Key: sent again, it is given again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    request_sha256 = models.CharField(max_length=64)  # over method, path and body: another request is a conflict
    status = models.PositiveSmallIntegerField(null=True)  # null while the first one is in work
    body = models.JSONField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_once")]
        indexes = [models.Index(fields=["created"], name="idempotent_created")]


class AuditEvent(models.Model):
    """Who did what, when, from where. Rows are only ever added, by `core.audit.audit` alone; each seals the one before.

    `facts` says what changed: {"before": …, "after": …} for a change of a value.
    """

    sequence = models.PositiveBigIntegerField(unique=True)  # 1, 2, 3 … without a gap
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    actor_name = models.CharField(max_length=150)  # a person's user name, or "system (<OS user>)" for a command
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    facts = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)  # where the request came from; "" for a command
    previous = models.CharField(max_length=64)  # sha256 of the event before
    sha256 = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["verb", "at"], name="audit_verb_at"),
            models.Index(fields=["actor_name", "sequence"], name="audit_actor"),
        ]


class AuditHead(models.Model):
    """The newest event's number and hash, one row: locked by whoever adds the next one, and it only moves forward."""

    sequence = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)


class WorkerPulse(models.Model):
    """When a worker was last heard, by the clock of the database."""

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()
