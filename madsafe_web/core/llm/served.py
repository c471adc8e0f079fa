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
    "rpm": 10_000_000,
    "tpm": 10_000_000_000,
    "trip": 100_000,
}
COUNTS = ("tries", "rate_limit_tries", "max_response_bytes", "trip")
OURS = ("model", "messages", "stream")  # fields of a request that `extra` must leave alone
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
            known = ", ".join(sorted((*Policy.__dataclass_fields__, *MARKS)))
            return _("There is no option '%(name)s'. Known: %(known)s.") % {"name": name, "known": known}
        if wrong := _wrong_value(name, value):
            return wrong
    return ""


def _wrong_value(name: str, value: Any) -> str:
    if name == "stream" and not isinstance(value, bool):
        return _("The option 'stream' must be true or false.")
    if name == "extra" and (not isinstance(value, Mapping) or set(value) & set(OURS)):
        return _("The option 'extra' must be a JSON object of fields other than %(ours)s.") % {"ours": ", ".join(OURS)}
    if name not in MOST:
        return ""
    number = int if name in COUNTS else (int, float)
    if isinstance(value, bool) or not isinstance(value, number) or not 0 < value <= MOST[name]:
        bounds = {"name": name, "most": f"{MOST[name]:g}"}
        return _("The option '%(name)s' must be a number above 0 and at most %(most)s.") % bounds
    return ""
