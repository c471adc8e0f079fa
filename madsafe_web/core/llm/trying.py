"""One small call to an endpoint while somebody waits, to see whether address, model and key are right."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from madsafe_web.core.audit import audit
from madsafe_web.core.llm import options, structured
from madsafe_web.core.llm.base import Backend, Call, CallError, Message, Reply, Sampling
from madsafe_web.core.llm.endpoints import backend_of, spec
from madsafe_web.core.llm.json_reply import last_object
from madsafe_web.core.models import Endpoint, User
from madsafe_web.core.runs.errors import StageError

LIMIT_S = 20.0
ONCE = {
    "tries": 1,
    "rate_limit_tries": 1,
    "total_timeout": 15.0,
    "connect_timeout": 5.0,
    "max_response_bytes": 1 << 20,
}
SHOWN_CHARACTERS = 300
CALL = Call("", "", {}, (Message("user", "Say one word: ready"),), Sampling(max_tokens=16))
# No word of this asks for JSON: only a server that keeps to the schema answers with it.
SCHEMA = structured.object_of({"word": {"type": "string", "enum": ["ready", "busy"]}})
HELD = replace(CALL, sampling=Sampling(max_tokens=32), schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came back: the beginning of the reply, or the sentence that says what is wrong."""

    fine: bool
    text: str
    seconds: float = 0.0


def endpoint_try(*, user: User, endpoint: Endpoint) -> Tried:
    """Ask a served endpoint once, with a time limit; that it was asked is recorded, not what came back."""
    if endpoint.backend != "openai_compatible":
        return Tried(False, _("Only a served model can be tried from here: this one is loaded by the worker."))
    started = time.monotonic()
    try:
        wanted = spec(endpoint)
        backend = backend_of(replace(wanted, options={**wanted.options, **ONCE}))
        way = options.way(wanted.options)
        reply = _in_time(backend, CALL if way == structured.NONE else HELD)
        found = _judged(reply, way, time.monotonic() - started)
    except (StageError, CallError) as error:
        found = Tried(False, str(error))
    except TimeoutError:
        found = Tried(False, _("No answer within %(seconds)d seconds.") % {"seconds": LIMIT_S})
    audit(user, "endpoint.try", endpoint.name, fine=found.fine)
    return found


def _judged(reply: Reply, way: str, seconds: float) -> Tried:
    """What the reply shows: with a way to hold replies to a schema also whether the server does so."""
    text = reply.text[:SHOWN_CHARACTERS]
    held = last_object(reply.text) or {}
    if way == structured.NONE or held.get("word") in SCHEMA["properties"]["word"]["enum"]:
        return Tried(True, text, seconds)
    words = {"way": way, "text": text}
    message = _(
        "It answers, but ignores the JSON schema sent as '%(way)s': write another 'structured_output'. %(text)s"
    )
    return Tried(False, message % words, seconds)


def _in_time(backend: Backend, call: Call) -> Reply:
    """In a thread of its own: a name server that does not answer holds up that thread and not the page."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="try")
    try:
        return thread.submit(asyncio.run, _once(backend, call)).result(LIMIT_S)
    finally:
        thread.shutdown(wait=False)


async def _once(backend: Backend, call: Call) -> Reply:
    try:
        return await backend.complete(call)
    finally:
        await backend.close()
