"""People and the record of what they did; the models of runs and language models are gathered here for Django."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.llm.models import Endpoint, Generation, PromptTemplate
from madsafe_web.core.runs.models import Chunk, Run, RunEvent, RunRow

__all__ = [
    "AuditEvent",
    "Chunk",
    "Endpoint",
    "Generation",
    "PromptTemplate",
    "Run",
    "RunEvent",
    "RunRow",
    "User",
    "WorkerPulse",
]


class User(AbstractUser):
    """A person with exactly one role; what each role may do stands in `core.access`."""

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("Annotator")
        REVIEWER = "reviewer", _("Reviewer")
        LEAD = "lead", _("Lead")
        ADMIN = "admin", _("Admin")

    role = models.CharField(max_length=12, choices=Role, default=Role.ANNOTATOR)


class AuditEvent(models.Model):
    """Who did what, when. Rows are only ever added."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    actor_name = models.CharField(max_length=150)  # a person's user name, or "system (<OS user>)" for a command
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["verb", "at"], name="audit_verb_at")]


class WorkerPulse(models.Model):
    """When a worker was last heard, by the clock of the database."""

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()
