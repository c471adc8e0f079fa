"""Which options of an endpoint decide what is answered; those that an endpoint of any backend may have.

How long a reply is waited for, how it travels, where it comes from and what it costs are no part of a call's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from madsafe_web.core.llm import capabilities, prices, structured

BATCH = {"batch_gather": 3600, "batch_rows": 50_000, "batch_poll": 3600, "batch_patience": 86_400}  # the most of each
STRUCTURED = "structured_output"  # a part of the keys of those calls alone that have a schema
SINCE_0_1 = (STRUCTURED, "serve")  # no reply of 0.1.0 was stored under one of these
NAMES = (*prices.OPTIONS, "replicas", "replica_rest", *BATCH, *SINCE_0_1)
# How a served model is asked: see openai_compatible.py.
ASKING = (
    *("total_timeout", "connect_timeout", "tries", "rate_limit_tries", "backoff", "longest_wait", "max_response_bytes"),
    *("rpm", "tpm", "trip", "stream"),
)
# How vLLM shares an accelerator, and how long it may take to load: see vllm_options.py.
SHARING = ("gpu_memory_utilization", "max_num_seqs", "load_timeout")
DECIDING_NOTHING = frozenset((*NAMES, *ASKING, *SHARING))
MOST_REPLICAS = 64
LONGEST_REST_S = 3600


def wrong(options: Mapping[str, Any]) -> str:
    """What is wrong with these options, in one sentence; "" when nothing is. Other names are not looked at."""
    if fault := prices.fault(options):
        return fault
    for name, most in BATCH.items():
        if name in options and not (_number(options[name], 0, most) and options[name]):
            bounds = {"name": name, "most": str(most)}
            return _("The option '%(name)s' must be a number above 0 and at most %(most)s.") % bounds
    if "replica_rest" in options and not _number(options["replica_rest"], 1, LONGEST_REST_S):
        return _("The option 'replica_rest' must be seconds from 1 to %(most)d.") % {"most": LONGEST_REST_S}
    return _wrong_replica(options.get("replicas", []))


def wrong_structure(backend: str, options: Mapping[str, Any]) -> str:
    """What is wrong with the option `structured_output` of an endpoint, in one sentence; "" when nothing is."""
    way, ways = options.get(STRUCTURED, structured.NONE), (structured.NONE, *capabilities.of(backend).structured)
    if way in ways:
        return ""
    return _("The option 'structured_output' must be one of %(known)s with this backend.") % {"known": ", ".join(ways)}


def way(options: Mapping[str, Any]) -> str:
    """How an endpoint holds replies to the schema of their call; "none" where it does not."""
    return str(options.get(STRUCTURED, structured.NONE))


def _wrong_replica(replicas: Any) -> str:
    if not isinstance(replicas, list) or len(replicas) > MOST_REPLICAS or not all(isinstance(r, str) for r in replicas):
        return _("The option 'replicas' must be a list of at most %(most)d base URLs.") % {"most": MOST_REPLICAS}
    from madsafe_web.core import outbound  # loads the HTTP client, which a start can do without

    for url in replicas:
        try:
            outbound.target(url)
        except outbound.Refused as error:
            return _("Replica %(url)s: %(why)s") % {"url": url, "why": error}
    return ""


def _number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that may change what is answered."""
    return {name: value for name, value in options.items() if name not in DECIDING_NOTHING}


def urls(base_url: str, options: Mapping[str, Any]) -> list[str]:
    """All base URLs that an endpoint is served at, its own first, each once."""
    return list(dict.fromkeys([base_url, *options.get("replicas", [])]))
