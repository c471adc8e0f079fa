"""The Batch API of the openai library, reached through our guard on addresses. No state of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, Literal

import aiohttp
import httpx2
import openai

from madsafe_web.core import outbound
from madsafe_web.core.llm.base import CallError, EndpointDown

TOTAL_S = 600.0
MOST_BYTES = 1 << 29  # of a result file
PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
MARK = "madsafe"  # the name under which a batch carries our digest of it
KINDS = {401: "unauthorized", 403: "unauthorized", 404: "not_found"}
PASSED_ON = ("content-type", "retry-after")


class GuardedTransport(httpx2.AsyncBaseTransport):
    """httpx2 over the session that connects to one checked server alone and follows no redirect."""

    def __init__(self, target: outbound.Target) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2.ConnectError for whatever keeps the server from answering."""
        if self._session is None:
            self._session = outbound.session(self._target, aiohttp.ClientTimeout(total=TOTAL_S), {})
        headers = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
        body = await request.aread() or None
        try:
            async with self._session.request(
                request.method, str(request.url), data=body, headers=headers, allow_redirects=False
            ) as response:
                passed = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
                content = await _read(response)
                return httpx2.Response(response.status, headers=passed, content=content, request=request)
        except (aiohttp.ClientError, outbound.Refused, TimeoutError) as error:
            raise httpx2.ConnectError(type(error).__name__, request=request) from None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise aiohttp.ClientPayloadError("too large")
    return bytes(body)


class BatchClient:
    """The four things that are asked of the Batch API. Every error becomes a CallError without the key in it."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """Raises outbound.Refused for a server that must not be asked."""
        self._http = httpx2.AsyncClient(transport=GuardedTransport(outbound.target(base_url)))
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none", base_url=base_url, http_client=self._http, max_retries=3
        )

    async def close(self) -> None:
        await self._client.close()

    async def submit(self, bodies: Mapping[str, dict[str, Any]], digest: str) -> str:
        """Send calls by their ids as one batch; returns the provider's id of it."""
        lines = [
            json.dumps({"custom_id": key, "method": "POST", "url": PATH, "body": body}) for key, body in bodies.items()
        ]
        file = ("calls.jsonl", io.BytesIO("\n".join(lines).encode()), "application/jsonl")
        try:
            sent = await self._client.files.create(file=file, purpose="batch")
            made = await self._client.batches.create(
                input_file_id=sent.id, endpoint=PATH, completion_window="24h", metadata={MARK: digest}
            )
        except openai.OpenAIError as error:
            raise _told(error) from None
        return made.id

    async def find(self, digest: str) -> str:
        """The batch that carries a digest, "" when there is none among the provider's newest hundred."""
        try:
            page = await self._client.batches.list(limit=100)
        except openai.OpenAIError as error:
            raise _told(error) from None
        return next((one.id for one in page.data if (one.metadata or {}).get(MARK) == digest), "")

    async def look(self, batch: str) -> tuple[str, list[str]]:
        """The state of a batch and the ids of its result files."""
        try:
            found = await self._client.batches.retrieve(batch)
        except openai.OpenAIError as error:
            raise _told(error) from None
        return found.status, [file for file in (found.output_file_id, found.error_file_id) if file]

    async def lines(self, file: str) -> list[dict[str, Any]]:
        """The lines of a result file; what is no JSON object is left out."""
        try:
            content = (await self._client.files.content(file)).text
        except openai.OpenAIError as error:
            raise _told(error) from None
        return [line for text in content.split("\n") if (line := _object(text))]


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _told(error: openai.OpenAIError) -> CallError:
    """What went wrong, in our words: the library's own may hold headers."""
    if isinstance(error, openai.APIStatusError):
        kind = KINDS.get(error.status_code, "batch_refused")
        words = f"The Batch API answered {error.status_code}: look at address, key and model of this endpoint."
        return EndpointDown(kind, words, final=True)
    return EndpointDown("unreachable", "The Batch API cannot be reached. Resume when it can.", final=True)
