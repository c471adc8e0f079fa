"""From an Endpoint row to a living backend, and the identity of a call."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from madsafe_web.core import crypto
from madsafe_web.core.audit import audit
from madsafe_web.core.llm import options, structured
from madsafe_web.core.llm.base import Backend, Call, Sampling
from madsafe_web.core.llm.replicas import REST_S, Replicas, Server
from madsafe_web.core.models import Endpoint, User
from madsafe_web.core.runs.errors import ConfigError, StageError

RULES = "rules"
FIELDS = ("name", "backend", "base_url", "model", "key_env", "concurrency", "options", "fallback")
BACKENDS = ("rules", "tiny_llama", "transformers", "vllm", "openai_compatible", "openai_batch")
SERVED = ("openai_compatible",)  # those that are asked at a base URL, one call at a time
SAMPLING = tuple(each.name for each in fields(Sampling))
LONGEST_KEY = 500
KEY_RULE = "letters, digits and signs without spaces, at most 500."


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


def with_fallbacks(names: Iterable[str]) -> dict[str, Endpoint]:
    """The endpoints of these names and their fallbacks. Raises StageError for one that is gone."""
    found: dict[str, Endpoint] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = endpoint_get(name)
            waiting += [found[name].fallback] if found[name].fallback else []
    return found


def facts(endpoint: Endpoint) -> dict[str, Any]:
    """What the audit record keeps of an endpoint: everything but the key."""
    return {name: getattr(endpoint, name) for name in FIELDS}


@transaction.atomic
def endpoint_declare(name: str, values: dict[str, Any], user: User | None = None) -> Endpoint:
    """Make or change an endpoint from a configuration. Raises ConfigError naming the field."""
    allowed = set(FIELDS) - {"name"}
    if unknown := set(values) - allowed:
        raise ConfigError(f"Endpoint '{name}' has no field '{min(unknown)}'. It knows: {', '.join(sorted(allowed))}.")
    if values.get("backend") not in BACKENDS:
        raise ConfigError(f"Endpoint '{name}': backend must be one of {', '.join(BACKENDS)}.")
    endpoint = Endpoint.objects.filter(name=name).first() or Endpoint(name=name)
    before = facts(endpoint) if endpoint.pk else None
    known = options.urls(endpoint.base_url, endpoint.options)
    told = options.urls(values.get("base_url", endpoint.base_url), values.get("options", endpoint.options))
    if endpoint.secret and not set(told) <= set(known):
        raise ConfigError(
            f"Endpoint '{name}' has a stored key, which goes to no other base_url: change it on its page."
        )
    for attribute, value in values.items():
        setattr(endpoint, attribute, value)
    try:
        endpoint.full_clean()
    except ValidationError as error:
        faults = [f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()]
        raise ConfigError(f"Endpoint '{name}', {'; '.join(faults)}") from error
    endpoint.save()
    after = facts(endpoint)
    if before is None:
        audit(user, "endpoint.create", name, after=after)
    elif before != after:
        audit(user, "endpoint.change", name, before=before, after=after)
    return endpoint


def spec(endpoint: Endpoint) -> EndpointSpec:
    """The endpoint with its key: the stored one, else that of the environment. Raises StageError when it has none."""
    ours = Path(settings.VAR_DIR, endpoint.model)  # a model trained here is named by its folder below var/
    model = str(ours) if endpoint.model and ours.is_dir() else endpoint.model
    return EndpointSpec(
        endpoint.name,
        endpoint.backend,
        endpoint.base_url,
        model,
        endpoint.options,
        endpoint.concurrency,
        _key(endpoint),
    )


def _key(endpoint: Endpoint) -> str:
    if endpoint.secret:
        try:
            return crypto.decrypt(endpoint.secret)
        except crypto.SecretError as error:
            raise StageError(f"Endpoint '{endpoint.name}': {error}") from None
    key = os.environ.get(endpoint.key_env, "").strip() if endpoint.key_env else ""
    if endpoint.key_env and not key:
        raise StageError(
            f"Endpoint '{endpoint.name}' takes its key from the environment variable {endpoint.key_env}, "
            "which is not set. Set it where the worker runs, then resume."
        )
    if key and not usable_key(key):
        raise StageError(f"The environment variable {endpoint.key_env} holds no key: {KEY_RULE}")
    return key


def usable_key(key: str) -> bool:
    """Whether a key can be sent in a header: visible ASCII without spaces, of a sensible length."""
    return len(key) <= LONGEST_KEY and all("!" <= character <= "~" for character in key)


def backend_for(endpoint: Endpoint) -> Backend:
    """A new backend for this endpoint. Raises StageError when its server must not be asked."""
    return backend_of(spec(endpoint))


def backend_of(wanted: EndpointSpec) -> Backend:
    """A new backend from a spec. Raises StageError when a server of it must not be asked."""
    module = import_module(f"madsafe_web.core.llm.{wanted.backend}")
    create: Callable[[EndpointSpec], Backend] = module.create
    served: Callable[[EndpointSpec], Server] = module.create  # what it is for those in SERVED
    urls = options.urls(wanted.base_url, wanted.options)
    if len(urls) > 1 and wanted.backend == "openai_batch":  # as saved by 0.1.0; they may mean another provider
        raise StageError(f"Endpoint '{wanted.name}': batches go to one server. Take 'replicas' out of its options.")
    try:
        if len(urls) == 1 or wanted.backend not in SERVED:
            return create(wanted)
        servers = [served(replace(wanted, base_url=url)) for url in urls]
        return Replicas(servers, wanted.options.get("replica_rest", REST_S))
    except ValueError as error:
        raise StageError(f"Endpoint '{wanted.name}': {error}") from None


class CallKeys:
    """Identities of the replies of one endpoint, as it is when this is made: every call of a run needs one."""

    def __init__(self, endpoint: Endpoint) -> None:
        deciding = options.deciding(endpoint.options)
        had = {name: value for name, value in endpoint.options.items() if name not in options.SINCE_0_1}
        asked = endpoint.backend, endpoint.base_url, endpoint.model
        self._provider = [*asked, deciding]
        self._former = None if options.deciding(had) == had else [*asked, had]
        self._way = options.way(endpoint.options)

    def key(self, call: Call, apart: str = "") -> str:
        """Identity of a reply: blake2b-128 over everything that decides it, 32 hex characters.

        `apart` keeps a reply apart from those of other runs to the same call.
        """
        return self._under(self._provider, call, apart)

    def former(self, call: Call) -> str:
        """The key of a reply stored by 0.1.0, where every option was a part of it; "" where it is today's."""
        return self._under(self._former, call) if self._former else ""

    def _under(self, provider: list[Any], call: Call, apart: str = "") -> str:
        identity: dict[str, Any] = {
            "provider": provider,
            "messages": [[message.role, message.content] for message in call.messages],
            "sampling": {name: getattr(call.sampling, name) for name in SAMPLING},
            "template": call.template_sha,
            "sample": call.sample,
        }
        if call.schema is not None and self._way != structured.NONE:
            identity["held"] = [self._way, call.schema]
        if apart:
            identity["apart"] = apart
        return hashlib.blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
