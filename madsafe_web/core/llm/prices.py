"""What the tokens of an endpoint cost: `price_in` and `price_out` per million tokens and `currency` in its options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.translation import gettext as _

OPTIONS = ("price_in", "price_out", "currency")
HIGHEST = 1_000_000
MILLION = 1_000_000


class Priced(Protocol):
    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Price:
    """Per million tokens, in units of the currency ("CNY", "USD")."""

    prompt: float
    completion: float
    currency: str

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Millionths of the currency's unit, rounded up."""
        exact = prompt_tokens * self.prompt + completion_tokens * self.completion
        return int(exact) + (exact > int(exact))


def price_of(endpoint: Priced) -> Price | None:
    """The price of an endpoint; None where it names none."""
    options = endpoint.options
    if "price_in" not in options and "price_out" not in options:
        return None
    return Price(options.get("price_in", 0), options.get("price_out", 0), options.get("currency", ""))


def fault(options: Mapping[str, Any]) -> str:
    """What is wrong with the prices among the options, "" for nothing."""
    for name in ("price_in", "price_out"):
        value = options.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST:
            return _("The option '%(name)s' must be a price per million tokens, a number from 0.") % {"name": name}
    priced = "price_in" in options or "price_out" in options
    if ("currency" in options) != priced or (priced and not re.fullmatch(r"[A-Z]{3}", str(options["currency"]))):
        return _("A price needs a 'currency' of three letters beside it, as CNY, and a currency needs a price.")
    return ""
