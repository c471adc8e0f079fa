"""Backend `openai_compatible`: servers with POST {base_url}/chat/completions (vLLM, `transformers serve`, providers).

Endpoint: `base_url` (with /v1), `model`, `api_key` ("" for none) and `options`:
  total_timeout, connect_timeout (seconds), tries (attempts at one call), rate_limit_tries (how often
  "slow down" is endured), backoff, longest_wait (seconds), max_response_bytes, rpm and tpm (requests and tokens a
  minute, where the provider's limits are known), trip (failures in a row that open the circuit, see limiter.py),
  extra (fields added to every request, such as {"enable_thinking": false}), stream (true where a server demands it),
  structured_output (how replies are held to the schema of a call that has one, see structured.py).
Only standard fields are sent beside `extra`: `transformers serve` refuses any other with 422.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import orjson

from madsafe_web.core import outbound
from madsafe_web.core.llm import structured, wire
from madsafe_web.core.llm.base import OF_THE_SERVER, Call, CallError, EndpointDown, Reply
from madsafe_web.core.llm.completion import parsed, parsed_stream, refused, without_key
from madsafe_web.core.llm.limiter import LIMITS, Limiter
from madsafe_web.core.llm.wire import Answer, Wire

BYTES_PER_TOKEN = 3.0  # of a request, for what it may cost before the server says so
DETAIL_CHARACTERS = 300


class HttpEndpoint(Protocol):
    @property
    def base_url(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def api_key(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Waiting and retrying. Times in seconds; a Retry-After beyond `longest_wait` takes the endpoint down instead."""

    total_timeout: float = 120.0
    connect_timeout: float = 10.0
    tries: int = 4
    rate_limit_tries: int = 100
    backoff: float = 0.5
    longest_wait: float = 60.0
    max_response_bytes: int = 8 << 20
    rpm: float = 0
    tpm: float = 0
    trip: int = 20
    extra: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    structured_output: str = structured.NONE


class RateLimited(CallError):
    """The server asked to slow down; `retry_after` is what it asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__("rate_limited", message)
        self.retry_after = retry_after


def create(endpoint: HttpEndpoint) -> OpenAICompatibleBackend:
    """The backend of one endpoint. Raises ValueError (outbound.Refused) for a base URL that must not be asked."""
    names = Policy.__dataclass_fields__
    policy = Policy(**{name: value for name, value in endpoint.options.items() if name in names})
    return OpenAICompatibleBackend(endpoint.base_url, endpoint.model, endpoint.api_key, policy)


class OpenAICompatibleBackend:
    """Chat completions over HTTP, the connections those of one event loop."""

    offline_rules = False

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        policy: Policy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = outbound.target(base_url)
        self._path = self._target.url.raw_path.rstrip("/") + "/chat/completions"
        self._shown = str(self._target.url).rstrip("/") + "/chat/completions"
        self._model, self._key = model, api_key
        self._policy = policy or Policy()
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        limits = (self._policy.rpm, self._policy.tpm, self._policy.trip, self._policy.backoff)
        self._limiter = Limiter(*limits, self._policy.longest_wait, clock, self._jitter)
        self.refusals = 0  # see `Patient`
        self._waiting: set[asyncio.Task[Any]] = set()
        self._patient = True
        self._wire: Wire | None = None

    async def complete(self, call: Call, *, others: bool = False) -> Reply:
        """Answer one call, trying again where that can help; `others` says that another server could answer it too.

        Raises EndpointDown when the server cannot be reached, refuses the key, failed call after call for minutes or
        asks to wait for too long, else CallError with kind timeout, slow_body, cut_off, rate_limited, server_error,
        bad_request, too_large, or one of those in completion.py; no message ever holds the key.
        """
        body = self._body(call)
        reserved = len(body) / BYTES_PER_TOKEN + call.sampling.max_tokens
        failures = slow_downs = 0
        while True:
            self._leave(others)
            await self._admitted(reserved)
            try:
                return self._succeeded(self._reply(await self._post(body)), reserved)
            except RateLimited as error:
                slow_downs += 1
                self.refusals += 1
                self._limiter.settle(reserved, 0)
                self._limiter.refused(error.retry_after)
                if (error.retry_after or 0.0) > self._policy.longest_wait:
                    wait = f"It asks to wait {error.retry_after:,.0f} seconds: resume after them."
                    raise _down("rate_limited", f"{error} {wait}") from error
                if slow_downs >= self._policy.rate_limit_tries:
                    raise
            except CallError as error:
                if error.final:
                    raise
                failures += 1
                await self._failed(error, failures, others)

    def _succeeded(self, reply: Reply, reserved: float) -> Reply:
        self._limiter.succeeded()
        self._limiter.settle(reserved, reply.prompt_tokens + reply.completion_tokens or reserved)
        return reply

    def _leave(self, others: bool) -> None:
        """Raises EndpointDown where the call would wait for the end of an open circuit though others could answer."""
        if others and self._limiter.open and (self._limiter.quiet() or self._waiting):
            raise _down("server_error", f"{self._shown} failed call after call: look at the server.")

    async def _failed(self, error: CallError, failures: int, others: bool) -> None:
        """Wait before the next attempt. Raises the error when there is none, EndpointDown when no call succeeds."""
        if error.kind in OF_THE_SERVER:
            self._limiter.failed()
        else:
            self._limiter.answered()
        if self._limiter.broken:
            message = f"{self._shown} answered no call for minutes ({error.kind}): look at the server."
            raise EndpointDown(error.kind, message, final=True) from error
        if others if self._limiter.open else failures >= self._policy.tries:
            raise error
        await self._wait(self._jitter.uniform(0.0, self._bound(failures)))

    def _bound(self, failures: int) -> float:
        """Full jitter: a wait is anywhere up to this, which doubles."""
        return min(self._policy.backoff * 2.0 ** min(failures - 1, 30), self._policy.longest_wait)

    async def _admitted(self, tokens: float) -> None:
        """Wait for a place among the calls to this endpoint, and for the end of a cool-down."""
        while wait := self._limiter.reserve(tokens):
            await self._wait(wait)
            if not self._limiter.quiet():
                return

    async def _wait(self, seconds: float) -> None:
        if not self._patient:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task
        self._waiting.add(task)
        try:
            await self._sleep(seconds)
        finally:
            self._waiting.discard(task)

    def share(self, workers: int) -> None:
        """See `Shared`."""
        self._limiter.share(workers)

    def give_up_waiting(self) -> None:
        """See `Patient`."""
        self._patient = False
        for task in self._waiting:
            task.cancel()

    async def close(self) -> None:
        made, self._wire = self._wire, None
        if made and made.loop is asyncio.get_running_loop():
            await made.close()

    def _body(self, call: Call) -> bytes:
        sampling = call.sampling
        payload: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in call.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stream": self._policy.stream,
        }
        if sampling.seed is not None:
            payload["seed"] = sampling.seed
        if self._policy.stream:
            payload["stream_options"] = {"include_usage": True}
        payload |= structured.fields(self._policy.structured_output, call.schema)
        payload |= self._policy.extra
        try:
            return orjson.dumps(payload)
        except TypeError:  # half a character, or a number beyond 64 bits: the slow one writes them
            return json.dumps(payload).encode()

    def _asked(self) -> Wire:
        """The connections of the running event loop."""
        if self._wire is None or self._wire.loop is not asyncio.get_running_loop():
            headers = {"User-Agent": "MadSafe", "Content-Type": "application/json", "Accept": "application/json"}
            headers["Accept-Encoding"] = "identity"
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._wire = Wire(
                self._target,
                self._path,
                headers,
                total_s=self._policy.total_timeout,
                connect_s=self._policy.connect_timeout,
                most_bytes=self._policy.max_response_bytes,
                kept=LIMITS,
            )
        return self._wire

    async def _post(self, body: bytes) -> Answer:
        """One attempt; what went wrong on the wire becomes a CallError."""
        try:
            return await self._asked().post(body)
        except outbound.Refused as error:
            raise _down("refused", str(error)) from None
        except wire.Unreachable as error:
            message = f"{self._shown} cannot be reached ({error}): start the server or correct the base URL."
            raise EndpointDown("unreachable", message) from error
        except wire.TooLate as late:
            kind, said = ("slow_body", "did not end its answer") if late.begun else ("timeout", "gave no answer")
            message = f"{self._shown} {said} within {self._policy.total_timeout:g} seconds."
            raise CallError(kind, message) from late
        except wire.TooLarge:
            message = f"{self._shown} sent more than {self._policy.max_response_bytes} bytes."
            raise CallError("too_large", message, final=True) from None
        except wire.CutOff as error:
            raise CallError("cut_off", f"{self._shown} broke off the connection ({error}).") from None

    def _reply(self, answer: Answer) -> Reply:
        if answer.status == 200:
            if not LIMITS.isdisjoint(answer.headers):
                self._limiter.heed(answer.headers)
            return without_key((parsed_stream if self._policy.stream else parsed)(answer.body, self._shown), self._key)
        code, detail = self._detail(answer.body)
        if answer.status == 400 and refused(code):
            return Reply("", finish="content_filter")
        raise self._error(answer, detail)

    def _error(self, answer: Answer, detail: str) -> CallError:
        status, where = answer.status, f"{self._shown} answered {answer.status}"
        retry_after = retry_after_seconds(answer.headers.get(wire.RETRY_AFTER, ""))
        if status in (401, 403):
            return _down("unauthorized", f"{where}: correct the key of this endpoint.{detail}")
        if 300 <= status < 400:
            return _down("redirected", f"{where}, a redirect, which is not followed: correct the base URL.")
        if status == 404:
            message = f"{where}: no model '{self._model}' or no such path; a base URL mostly ends in /v1.{detail}"
            return _down("not_found", message)
        if status == 429:
            return RateLimited(f"{where}: too many requests.{detail}", retry_after)
        if status == 408:
            return CallError("timeout", f"{where}.{detail}")
        if status == 503 and retry_after is not None:
            return RateLimited(f"{where}: it is busy.{detail}", retry_after)
        if status >= 500:
            return CallError("server_error", f"{where}.{detail}")
        return CallError("bad_request", f"{where}: it does not accept this request.{detail}", final=True)

    def _detail(self, body: bytes) -> tuple[str, str]:
        """The error code and the server's own words, shortened, without the key should the server repeat it."""
        try:
            parsed = json.loads(body)
        except ValueError:
            return "", ""
        error = parsed.get("error", parsed) if isinstance(parsed, dict) else {}
        if isinstance(error, str):
            error = {"message": error}
        words = str(error.get("message") or error.get("detail") or "") if isinstance(error, dict) else ""
        code = str(error.get("code") or "") if isinstance(error, dict) else ""
        return code, f" It says: {self._redacted(words)[:DETAIL_CHARACTERS]}" if words else ""

    def _redacted(self, text: str) -> str:
        """A text of the server without the key that we sent it."""
        return text.replace(self._key, "***") if self._key else text


def retry_after_seconds(header: str, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a Retry-After header in either form (RFC 9110 10.2.3), never negative; None without one."""
    header = header.strip()
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _down(kind: str, message: str) -> EndpointDown:
    return EndpointDown(kind, message, final=True)
