"""Endpoints, templates and generations as rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

from madsafe_web.core.llm import options, vllm_options
from madsafe_web.core.storable import is_storable

# Variables that hold no key of a model but our own secrets, which must not be sent to whoever serves an endpoint.
OWN_VARIABLES = ("MADSAFE_", "DATABASE_", "CELERY_", "DJANGO_", "REDIS", "PG")


def key_variable(name: str) -> None:
    """Raises ValidationError unless this is the name of an environment variable that may hold a key."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValidationError(_("This is no name of an environment variable."))
    if name.upper().startswith(OWN_VARIABLES):
        raise ValidationError(_("MadSafe's own variables are no keys of a language model."))


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
    key_env = models.CharField(max_length=80, blank=True, validators=[key_variable])
    concurrency = models.PositiveIntegerField(default=32, validators=[MinValueValidator(1)])
    options = models.JSONField(default=dict, blank=True)
    # The endpoint, by its name, that is asked what this one's provider refuses; "" for none.
    fallback = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if fault := wrong_fallback(self.name, self.fallback):
            raise ValidationError({"fallback": fault})
        if not is_storable(self.options):
            raise ValidationError({"options": _("The options hold a value that cannot be stored.")})
        if fault := next(filter(None, self._wrong_options()), ""):
            raise ValidationError({"options": fault})
        if self.backend in ("openai_compatible", "openai_batch"):
            from madsafe_web.core.llm import served  # loads the HTTP client, which a start can do without

            served.check(self.base_url, self.options)
            if self.backend == "openai_batch" and self.options.get("replicas"):
                raise ValidationError({"options": _("Batches go to one server: this backend takes no 'replicas'.")})

    def _wrong_options(self) -> Iterator[str]:
        """What each part of the options has to say against them; "" for nothing."""
        if isinstance(self.options, dict):
            yield options.wrong(self.options)
            yield options.wrong_structure(self.backend, self.options)
        if "serve" in self.options:
            yield vllm_options.wrong_serve(self.options["serve"])
        if self.backend == "vllm":
            yield vllm_options.wrong(self.options, ("offline_rules", *options.NAMES))


def wrong_fallback(name: str, fallback: str) -> str:
    """What is wrong with a fallback of the endpoint of that name, in one sentence; "" when nothing is."""
    after = dict(Endpoint.objects.values_list("name", "fallback"))
    seen = {name}
    while fallback:
        if fallback in seen:
            return _("The fallback leads back to the endpoint itself.")
        if fallback not in after:
            return _("There is no endpoint '%(name)s'.") % {"name": fallback}
        seen.add(fallback)
        fallback = after[fallback]
    return ""


class EndpointSharer(models.Model):
    """A worker that keeps to its part of an endpoint's limits, and until when it is taken to live."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE)
    worker = models.CharField(max_length=120)
    until = models.DateTimeField()  # by the clock of the database

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "worker"], name="endpoint_sharer_once")]


class PromptTemplate(models.Model):
    """The exact text of a template that produced something."""

    name = models.CharField(max_length=60)
    sha256 = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    created = models.DateTimeField(auto_now_add=True)


class TemplateVersion(models.Model):
    """A copy of a template that somebody edited. Its text never changes; the file of the name is version 0.

    At most one version of a name is in use; with none, the file is.
    """

    name = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    template = models.ForeignKey(PromptTemplate, on_delete=models.PROTECT, related_name="versions")  # its text
    note = models.CharField(max_length=200, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=150)
    in_use = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "number"], name="template_version_once"),
            models.UniqueConstraint(fields=["name", "template"], name="template_text_once_a_name"),
            models.UniqueConstraint(fields=["name"], condition=models.Q(in_use=True), name="template_one_in_use"),
        ]


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
