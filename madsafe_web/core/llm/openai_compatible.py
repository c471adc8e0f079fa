"""Backend `openai_compatible`: servers with POST {base_url}/chat/completions (vLLM, `transformers serve`, providers).

Endpoint: `base_url` (with /v1), `model`, `api_key` ("" for none) and `options`:
  total_timeout, connect_timeout (seconds), tries (attempts at one call), rate_limit_tries (how often
  "slow down" is endured), backoff, longest_wait (seconds), max_response_bytes.
Only standard fields are sent: `transformers serve` refuses any other with 422.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from madsafe_web.core import outbound
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Finish, Reply

FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}
DETAIL_CHARACTERS = 300
SHORTEST_REDACTED = 12  # a shorter key, as the "EMPTY" of a server without keys, may be a word of a real reply


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
    """Waiting and retrying. Times in seconds; a Retry-After beyond `longest_wait` ends the call instead of waiting."""

    total_timeout: float = 120.0
    connect_timeout: float = 10.0
    tries: int = 4
    rate_limit_tries: int = 10
    backoff: float = 0.5
    longest_wait: float = 60.0
    max_response_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: float | None
    body: bytes


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
    """Chat completions over HTTP, one aiohttp session per event loop."""

    offline_rules = False

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        policy: Policy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._target = outbound.target(base_url)
        self._url = URL(str(self._target.url).rstrip("/") + "/chat/completions")
        self._shown, self._model, self._key = str(self._url), model, api_key
        self._policy = policy or Policy()
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._quiet_until = 0.0
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()

    async def complete(self, call: Call) -> Reply:
        """Answer one call, trying again where that can help.

        Raises EndpointDown when the server cannot be reached or refuses the key, else CallError with kind timeout,
        rate_limited, server_error, bad_request, not_found or bad_response; no message ever holds the key.
        """
        body = json.dumps(self._payload(call)).encode()
        failures = slow_downs = 0
        while True:
            await self._wait_while_quiet()
            try:
                return self._reply(await self._post(body))
            except RateLimited as error:
                slow_downs += 1
                wait = self._pause(slow_downs, error.retry_after)
                if slow_downs >= self._policy.rate_limit_tries or wait > self._policy.longest_wait:
                    raise
                # All calls of this endpoint hold back together: one refused caller is news for every other one.
                self._quiet_until = max(self._quiet_until, time.monotonic() + (error.retry_after or 0.0))
            except CallError as error:
                failures += 1
                if error.final or failures >= self._policy.tries:
                    raise
                wait = self._pause(failures, None)
            await self._sleep(wait)

    async def close(self) -> None:
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _payload(self, call: Call) -> dict[str, Any]:
        sampling = call.sampling
        payload: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in call.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stream": False,
        }
        return payload if sampling.seed is None else {**payload, "seed": sampling.seed}

    def _pause(self, failures: int, retry_after: float | None) -> float:
        """Full jitter: anywhere up to the doubled bound, on top of what the server asked for."""
        bound = min(self._policy.backoff * 2.0 ** (failures - 1), self._policy.longest_wait)
        return (retry_after or 0.0) + self._jitter.uniform(0.0, bound if retry_after is None else self._policy.backoff)

    async def _wait_while_quiet(self) -> None:
        wait = self._quiet_until - time.monotonic()
        if wait > 0:
            await self._sleep(wait + self._jitter.uniform(0.0, self._policy.backoff))

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            timeout = aiohttp.ClientTimeout(total=self._policy.total_timeout, sock_connect=self._policy.connect_timeout)
            session = outbound.session(self._target, timeout, headers)
            self._sessions[loop] = session
        return session

    async def _post(self, body: bytes) -> Answer:
        """One attempt; what went wrong on the wire becomes a CallError."""
        try:
            async with self._session().post(self._url, data=body, allow_redirects=False) as response:
                after = retry_after_seconds(response.headers.get("Retry-After", ""))
                return Answer(response.status, after, await self._read(response))
        except outbound.Refused as error:
            raise _down("refused", str(error)) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            reason = "no connection in time" if isinstance(error, TimeoutError) else _reason(error)
            raise EndpointDown(
                "unreachable", f"{self._shown} cannot be reached ({reason}): start the server or correct the base URL."
            ) from error
        except TimeoutError as error:
            seconds = f"{self._policy.total_timeout:g}"
            raise CallError("timeout", f"{self._shown} gave no answer within {seconds} seconds.") from error
        except aiohttp.ClientError as error:
            message = f"{self._shown} broke off the connection ({type(error).__name__})."
            raise CallError("server_error", message) from None  # its own text may hold headers, and those the key

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in response.content.iter_any():
            body += part
            if len(body) > self._policy.max_response_bytes:
                limit = self._policy.max_response_bytes
                raise CallError("bad_response", f"{self._shown} sent more than {limit} bytes.", final=True)
        return bytes(body)

    def _reply(self, answer: Answer) -> Reply:
        if answer.status == 200:
            return self._parsed(answer.body)
        code, detail = self._detail(answer.body)
        if answer.status == 400 and code == "content_filter":
            return Reply("", finish="content_filter")
        raise self._error(answer, detail)

    def _error(self, answer: Answer, detail: str) -> CallError:
        status, where = answer.status, f"{self._shown} answered {answer.status}"
        if status in (401, 403):
            return _down("unauthorized", f"{where}: correct the key of this endpoint.{detail}")
        if 300 <= status < 400:
            return _down("redirected", f"{where}, a redirect, which is not followed: correct the base URL.")
        if status == 404:
            message = f"{where}: no model '{self._model}' or no such path; a base URL mostly ends in /v1.{detail}"
            return _down("not_found", message)
        if status == 429:
            return RateLimited(f"{where}: too many requests.{detail}", answer.retry_after)
        if status == 408:
            return CallError("timeout", f"{where}.{detail}")
        if status == 503 and answer.retry_after is not None:
            return RateLimited(f"{where}: it is busy.{detail}", answer.retry_after)
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

    def _parsed(self, body: bytes) -> Reply:
        try:
            parsed = json.loads(body)
            choice = parsed["choices"][0]
            message = choice["message"]
            text = message.get("content") or message.get("refusal") or ""
            reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
            usage = parsed.get("usage") or {}
            tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
            if not isinstance(text, str) or not isinstance(reasoning, str):
                raise TypeError("the text is no string")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            message = f"{self._shown} answered 200 with something that is no chat completion ({_reason(error)})."
            raise CallError("bad_response", message) from error
        if len(self._key) >= SHORTEST_REDACTED:
            text, reasoning = self._redacted(text), self._redacted(reasoning)
        return Reply(text, FINISHES.get(str(choice.get("finish_reason")), "stop"), reasoning, *tokens)


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


def _reason(error: Exception) -> str:
    """A few words on an error, none of them from what was sent or received."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__
