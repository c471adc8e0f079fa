"""Whether a served endpoint is well described: its address may be asked, its options are known and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from madsafe_web.core import outbound
from madsafe_web.core.llm import options
from madsafe_web.core.llm.openai_compatible import Policy

# The greatest value of each number; none may be 0 or less, which would mean "for ever" to the HTTP client.
MOST: dict[str, float] = {
    "total_timeout": 3600,
    "connect_timeout": 300,
    "tries": 100,
    "rate_limit_tries": 1000,
    "backoff": 600,
    "longest_wait": 3600,
    "max_response_bytes": 1 << 30,
}
COUNTS = ("tries", "rate_limit_tries", "max_response_bytes")
MARKS = ("offline_rules", *options.NAMES)  # known to the engine for every backend


def check(base_url: str, written: Mapping[str, Any]) -> None:
    """Raises ValidationError naming the field."""
    faults = {}
    try:
        outbound.target(base_url)
    except outbound.Refused as error:
        faults["base_url"] = str(error)
    if wrong := _wrong_option(written):
        faults["options"] = wrong
    if faults:
        raise ValidationError(faults)


def _wrong_option(written: Mapping[str, Any]) -> str:
    if not isinstance(written, Mapping):
        return _("Write the options as a JSON object.")
    for name, value in written.items():
        if name in MARKS:
            continue
        if name not in Policy.__dataclass_fields__:
            known = ", ".join(sorted((*MOST, *MARKS)))
            return _("There is no option '%(name)s'. Known: %(known)s.") % {"name": name, "known": known}
        number = int if name in COUNTS else (int, float)
        if isinstance(value, bool) or not isinstance(value, number) or not 0 < value <= MOST[name]:
            bounds = {"name": name, "most": f"{MOST[name]:g}"}
            return _("The option '%(name)s' must be a number above 0 and at most %(most)s.") % bounds
    return ""
