"""Endpoints, templates and generations as rows."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

# Variables that hold no key of a model but our own secrets, which must not be sent to whoever serves an endpoint.
OWN_VARIABLES = ("MADSAFE_", "DATABASE_", "CELERY_", "DJANGO_", "REDIS", "PG")


def wrong_variable(name: str) -> str:
    """What is wrong with the name of the environment variable that holds a key; "" when nothing is."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return _("This is no name of an environment variable.")
    if name.upper().startswith(OWN_VARIABLES):
        return _("MadSafe's own variables are no keys of a language model.")
    return ""


class Endpoint(models.Model):
    """A language model to ask: a served one by its URL, one in process by its folder, or the offline rules."""

    name = models.CharField(max_length=60, unique=True)
    backend = models.CharField(max_length=40)
    base_url = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=300, blank=True)
    # The key: encrypted (core.crypto) with its last characters in the clear, or the name of the environment variable
    # that holds it where the worker runs.
    secret = models.TextField(blank=True)
    secret_hint = models.CharField(max_length=4, blank=True)
    key_env = models.CharField(max_length=80, blank=True)
    concurrency = models.PositiveIntegerField(default=32, validators=[MinValueValidator(1)])
    options = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        faults = {"key_env": wrong_variable(self.key_env)} if self.key_env else {}
        if self.backend == "openai_compatible":
            from madsafe_web.core.llm import served  # loads the HTTP client, which a start can do without

            faults |= served.faults(self.base_url, self.options)
        if faults := {field: fault for field, fault in faults.items() if fault}:
            raise ValidationError(faults)


class PromptTemplate(models.Model):
    """The exact text of a template that produced something."""

    name = models.CharField(max_length=60)
    sha256 = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    created = models.DateTimeField(auto_now_add=True)


class Generation(models.Model):
    """One reply of a language model, raw, written before anything is read out of it; also the cache of replies."""

    call_key = models.CharField(max_length=32, unique=True)
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT)
    model = models.CharField(max_length=300)
    template_sha = models.CharField(max_length=64)
    text = models.TextField()
    reasoning = models.TextField(blank=True)
    finish = models.CharField(max_length=16)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
