"""From an Endpoint row to a living backend, and the identity of a call."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError

from madsafe_web.core.llm.base import Backend, Call
from madsafe_web.core.models import Endpoint
from madsafe_web.core.runs.errors import ConfigError, StageError

RULES = "rules"
BACKENDS = ("rules", "tiny_llama", "transformers", "openai_compatible")


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """What a backend needs to know of its endpoint. The key stays out of every repr."""

    name: str
    backend: str
    base_url: str
    model: str
    options: dict[str, Any]
    concurrency: int
    api_key: str = field(default="", repr=False)


def endpoint_get(name: str) -> Endpoint:
    """The endpoint of that name; the offline rules exist in every installation. Raises StageError."""
    if name == RULES:
        defaults = {"backend": RULES, "model": "rules-1", "concurrency": 256}
        return Endpoint.objects.get_or_create(name=RULES, defaults=defaults)[0]
    try:
        return Endpoint.objects.get(name=name)
    except Endpoint.DoesNotExist:
        known = ", ".join(Endpoint.objects.order_by("name").values_list("name", flat=True)) or "none"
        raise StageError(f"There is no endpoint '{name}'. Known: {known}. Declare it under `endpoints:`.") from None


def endpoint_declare(name: str, values: dict[str, Any]) -> Endpoint:
    """Make or change an endpoint from a configuration. Raises ConfigError naming the field."""
    allowed = {"backend", "base_url", "model", "key_env", "concurrency", "options"}
    if unknown := set(values) - allowed:
        raise ConfigError(f"Endpoint '{name}' has no field '{min(unknown)}'. It knows: {', '.join(sorted(allowed))}.")
    if values.get("backend") not in BACKENDS:
        raise ConfigError(f"Endpoint '{name}': backend must be one of {', '.join(BACKENDS)}.")
    endpoint = Endpoint.objects.filter(name=name).first() or Endpoint(name=name)
    for attribute, value in values.items():
        setattr(endpoint, attribute, value)
    try:
        endpoint.full_clean()
    except ValidationError as error:
        raise ConfigError("; ".join(error.messages)) from error
    endpoint.save()
    return endpoint


def spec(endpoint: Endpoint) -> EndpointSpec:
    """The endpoint with its key read from the environment. Raises StageError when the named variable is not set."""
    key = os.environ.get(endpoint.key_env, "") if endpoint.key_env else ""
    if endpoint.key_env and not key:
        raise StageError(
            f"Endpoint '{endpoint.name}' takes its key from the environment variable {endpoint.key_env}, "
            "which is not set. Set it where the worker runs, then resume."
        )
    ours = Path(settings.VAR_DIR, endpoint.model)  # a model trained here is named by its folder below var/
    model = str(ours) if endpoint.model and ours.is_dir() else endpoint.model
    return EndpointSpec(
        endpoint.name, endpoint.backend, endpoint.base_url, model, endpoint.options, endpoint.concurrency, key
    )


def backend_for(endpoint: Endpoint) -> Backend:
    """A new backend for this endpoint."""
    backend: Backend = import_module(f"madsafe_web.core.llm.{endpoint.backend}").create(spec(endpoint))
    return backend


def call_key(endpoint: Endpoint, call: Call) -> str:
    """Identity of a reply: blake2b-128 over everything that decides it, 32 hex characters."""
    identity = {
        "provider": [endpoint.backend, endpoint.base_url, endpoint.model, endpoint.options],
        "messages": [[message.role, message.content] for message in call.messages],
        "sampling": asdict(call.sampling),
        "template": call.template_sha,
        "sample": call.sample,
    }
    return hashlib.blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
