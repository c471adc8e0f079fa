"""The command that serves the model of an endpoint with `vllm serve`: shown, copied and run by people, never by us.

The endpoint's option `serve` holds what only the server needs: `model` (folder or hub id, where the endpoint knows it
by another name), `reasoning_parser`, and the arguments in vllm_options.ENGINE. The key travels in the environment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from madsafe_web.core.llm import options, structured
from madsafe_web.core.llm.vllm_options import COMPACT, ENGINE, SAFE

if TYPE_CHECKING:
    from madsafe_web.core.models import Endpoint

KEY_VARIABLE = "MODEL_KEY"  # that people put a stored key into
PORT = 8000
BREAK = " \\\n    "


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be run where this address is, and what else is to be done there."""

    url: str
    text: str
    notes: tuple[str, ...] = ()


def commands(endpoint: Endpoint) -> list[Command]:
    """One command for each server of a served endpoint, its own first."""
    return [_command(endpoint, url) for url in options.urls(endpoint.base_url, endpoint.options)]


def _command(endpoint: Endpoint, url: str) -> Command:
    address, variable = urlsplit(url), endpoint.key_env or (KEY_VARIABLE if endpoint.secret else "")
    words = ["vllm", "serve", *_arguments(endpoint, address)]
    key = f'VLLM_API_KEY="${variable}" ' if variable else ""
    return Command(
        url,
        key + shlex.join(words[:3]) + "".join(BREAK + shlex.quote(word) for word in words[3:]),
        _notes(endpoint, address),
    )


def _arguments(endpoint: Endpoint, address: SplitResult) -> list[str]:
    """The model, then one word for each option, so that no value can be taken for another option."""
    serve: Mapping[str, Any] = endpoint.options.get("serve", {})
    model = str(serve.get("model", endpoint.model))
    host, port = _bound(address)
    flags: dict[str, Any] = {
        "served-model-name": endpoint.model,
        "host": host,
        "port": port,
        "load-format": SAFE["load_format"],
        "generation-config": "vllm",  # else the model's own settings fill in what a request leaves out
        **{name.replace("_", "-"): serve[name] for name in (*ENGINE, "reasoning_parser") if name in serve},
    }
    if options.way(endpoint.options) != structured.NONE:
        flags["structured-outputs-config"] = json.dumps(COMPACT)
    given = [
        f"--{name}" if value is True else f"--{name}={value}" for name, value in flags.items() if value is not False
    ]
    return [f"./{model}" if model.startswith("-") else model, *given]


def _bound(address: SplitResult) -> tuple[str, int]:
    """The address and port to listen at. Behind TLS only a proxy on the same machine is listened to."""
    host = address.hostname or ""
    if address.scheme == "https" or host == "localhost":
        return "127.0.0.1", PORT if address.scheme == "https" else address.port or 80
    try:
        return str(ip_address(host)), address.port or 80
    except ValueError:
        return "0.0.0.0", address.port or 80  # noqa: S104  # a name may stand for another address where it is served


def _notes(endpoint: Endpoint, address: SplitResult) -> tuple[str, ...]:
    notes = []
    if endpoint.secret and not endpoint.key_env:
        notes.append(
            _("First put the endpoint's key into the variable %(name)s of that shell.") % {"name": KEY_VARIABLE}
        )
    if address.scheme == "https":
        place = {"address": f"127.0.0.1:{PORT}"}
        notes.append(_("A proxy on that machine must take TLS and hand on to %(address)s.") % place)
    elif (address.path.rstrip("/") or "/") != "/v1":
        notes.append(_("vLLM answers under /v1: write that path into the base URL."))
    return tuple(notes)
