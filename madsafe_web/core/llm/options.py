"""Options that an endpoint of any backend may have: where else it is served, and what its tokens cost.

They decide where a call goes and what it costs, never what is answered, so they are no part of a call's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

PRICES = ("price_in", "price_out")  # of a million tokens
BATCH = {"batch_gather": 3600, "batch_rows": 50_000, "batch_poll": 3600, "batch_patience": 86_400}  # the most of each
NAMES = (*PRICES, "currency", "replicas", "replica_rest", *BATCH)
LONGEST_CURRENCY = 8
MOST_REPLICAS = 64
LONGEST_REST_S = 3600


def wrong(options: Mapping[str, Any]) -> str:
    """What is wrong with these options, in one sentence; "" when nothing is. Other names are not looked at."""
    for name in PRICES:
        if name in options and not _number(options[name], 0, 1_000_000):
            return _("The option '%(name)s' must be a price of a million tokens: a number from 0.") % {"name": name}
    for name, most in BATCH.items():
        if name in options and not (_number(options[name], 0, most) and options[name]):
            bounds = {"name": name, "most": str(most)}
            return _("The option '%(name)s' must be a number above 0 and at most %(most)s.") % bounds
    if "replica_rest" in options and not _number(options["replica_rest"], 1, LONGEST_REST_S):
        return _("The option 'replica_rest' must be seconds from 1 to %(most)d.") % {"most": LONGEST_REST_S}
    currency = options.get("currency", "")
    if not isinstance(currency, str) or len(currency) > LONGEST_CURRENCY:
        return _("The option 'currency' must be a short word, as CNY or USD.")
    return _wrong_replica(options.get("replicas", []))


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
    return {name: value for name, value in options.items() if name not in NAMES}


def urls(base_url: str, options: Mapping[str, Any]) -> list[str]:
    """All base URLs that an endpoint is served at, its own first, each once."""
    return list(dict.fromkeys([base_url, *options.get("replicas", [])]))
