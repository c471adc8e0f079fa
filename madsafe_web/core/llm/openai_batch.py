"""Backend `openai_batch`: calls gathered into files for the provider's Batch API, at half the price and within a day.

Endpoint: `base_url`, `model`, `api_key`, and as many calls at the same time as a batch may hold; `options`: see Pace,
and `extra`, fields added to every request.
What was sent is noted in the var folder before it is sent, so that whoever works on the run next waits for the batches
that are there instead of paying for them again. Results are matched by the id of the call, never by their order.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from madsafe_web.core.llm import options, structured
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Reply
from madsafe_web.core.llm.batch_client import BatchClient
from madsafe_web.core.llm.batch_notes import Batch, Notes
from madsafe_web.core.llm.completion import completed, refused, without_key
from madsafe_web.core.llm.openai_compatible import HttpEndpoint
from madsafe_web.core.runs.errors import NeedsPeople

ENDED = ("completed", "failed", "expired", "cancelled")


class BatchEndpoint(HttpEndpoint, Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long calls are gathered, how many make one batch, how often it is looked at, and how long nothing may come.

    Times in seconds. After `batch_patience` without a result the run rests until somebody resumes it.
    """

    batch_gather: float = 5.0
    batch_rows: int = 5_000
    batch_poll: float = 30.0
    batch_patience: float = 300.0


def create(endpoint: BatchEndpoint) -> OpenAIBatchBackend:
    """The backend of one endpoint. Raises ValueError (outbound.Refused) for a base URL that must not be asked."""
    names = Pace.__dataclass_fields__
    pace = Pace(**{name: value for name, value in endpoint.options.items() if name in names})
    owner = hashlib.blake2b(f"{endpoint.base_url} {endpoint.model}".encode(), digest_size=8).hexdigest()
    folder = Path(settings.VAR_DIR, "batches", owner)
    return OpenAIBatchBackend(BatchClient(endpoint.base_url, endpoint.api_key), endpoint, folder, pace)


class OpenAIBatchBackend:
    """Lives in one event loop. `complete` waits until the batch of its call has ended."""

    offline_rules = False

    def __init__(self, client: BatchClient, endpoint: BatchEndpoint, folder: Path, pace: Pace) -> None:
        self._client, self._endpoint, self._notes, self._pace = client, endpoint, Notes(folder), pace
        self._began = False
        self._bodies: dict[str, dict[str, Any]] = {}  # of the calls that wait for an answer
        self._gathered: list[str] = []
        self._answers: dict[str, asyncio.Future[Reply]] = {}
        self._followed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._patient_until = 0.0
        self._waiting: set[asyncio.Task[Any]] = set()
        self._patient = True
        self.refusals = 0  # see `Patient`; the library waits for those of the Batch API

    async def complete(self, call: Call) -> Reply:
        """Answer one call. Raises CallError for a call that failed, EndpointDown when batches cannot be made, and
        NeedsPeople when the provider takes longer than we wait: the run is resumed later and finds its batches.
        """
        if not self._began:
            self._notes.read(unsent=True)
            self._began = True
        if not self._bodies:  # nothing is waited for: patience begins anew
            self._be_patient()
        written = self._endpoint.options
        held = structured.fields(options.way(written), call.schema)
        body = payload(self._endpoint.model, call) | held | dict(written.get("extra", {}))
        key = call_id(body, call.sample)
        if key not in self._answers:
            self._answers[key] = asyncio.get_running_loop().create_future()
            self._bodies[key] = body
            self._send(key)
        answer = self._answers[key]
        while not answer.done():
            left = self._patient_until - time.monotonic()
            if left <= 0:
                raise NeedsPeople("The provider is still working on a batch. It is kept: resume to look again.")
            await self._wait(answer, left)
        if self._answers.get(key) is answer:
            del self._answers[key]
        return answer.result()

    async def _wait(self, answer: asyncio.Future[Reply], seconds: float) -> None:
        if not self._patient:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task
        self._waiting.add(task)
        try:
            await asyncio.wait([answer], timeout=seconds)
        finally:
            self._waiting.discard(task)

    def give_up_waiting(self) -> None:
        """See `Patient`. What was sent is noted and found by whoever goes on; what was only gathered is not sent."""
        self._patient = False
        self._gathered.clear()
        for task in self._waiting:
            task.cancel()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._notes.close()
        await self._client.close()

    def _be_patient(self) -> None:
        self._patient_until = time.monotonic() + self._pace.batch_patience

    def _send(self, key: str) -> None:
        """Wait for the batch that holds the call already, or gather it for the next one."""
        digest = self._notes.holder(key)
        if digest in self._followed:
            return
        if digest and (batch := self._notes.load(digest)):
            self._followed.add(digest)
            self._start(self._follow(batch, self._find(batch)))
        elif self._patient:
            self._notes.drop([key])  # the note is gone: its worker is done with it
            if not self._gathered:
                self._start(self._flush())
            self._gathered.append(key)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        await asyncio.sleep(self._pace.batch_gather)
        keys, self._gathered = self._gathered, []
        try:
            keys = self._not_sent(keys)
        except Exception as error:
            for key in keys:
                self._end(key, told(error))
            return
        for start in range(0, len(keys), self._pace.batch_rows):
            part = keys[start : start + self._pace.batch_rows]
            batch = Batch(
                hashlib.blake2b("\n".join([str(time.time()), *part]).encode(), digest_size=16).hexdigest(), part
            )
            self._followed.add(batch.digest)
            self._start(self._follow(batch, self._submit(batch)))

    def _not_sent(self, keys: list[str]) -> list[str]:
        """Those of the calls that no other worker sent meanwhile; the others wait for its batches."""
        self._notes.read(unsent=False)
        noted = {key for key in keys if self._notes.holder(key)}
        for key in noted:
            self._send(key)
        return [key for key in keys if key not in noted]

    async def _submit(self, batch: Batch) -> str:
        """Send a batch. It is noted before, so that a kill in between leaves something to look for."""
        self._notes.write(batch)
        return await self._client.submit({key: self._bodies[key] for key in batch.ids}, batch.digest)

    async def _find(self, batch: Batch) -> str:
        """The provider's id of a noted batch; "" when its worker died before it was sent."""
        return batch.id or await self._client.find(batch.digest)

    async def _follow(self, batch: Batch, begin: Coroutine[Any, Any, str]) -> None:
        """Wait for the end of a batch and hand out its results. What goes wrong ends all its calls.

        A batch of an earlier worker that the provider has no more is asked anew.
        """
        earlier = bool(batch.id)
        try:
            batch.id = await begin
            if not batch.id:
                return self._again(batch)
            self._notes.write(batch)
            state, files = await self._client.look(batch.id)
            while state not in ENDED:
                await asyncio.sleep(self._pace.batch_poll)
                state, files = await self._client.look(batch.id)
            found = [line for file in files for line in await self._client.lines(file)]
            self._hand_out(batch, found, state)
        except Exception as error:  # whatever it is, somebody waits for these calls
            if earlier and await self._gone(batch, error):
                return self._again(batch)
            if not batch.id and isinstance(error, CallError) and error.kind != "unreachable":
                self._notes.forget(batch)  # it was refused; an answer that was lost on the way is looked for later
            for key in batch.ids:
                self._end(key, told(error))
        finally:
            self._followed.discard(batch.digest)

    async def _gone(self, batch: Batch, error: Exception) -> bool:
        """Whether the provider has a batch or its results no more: not found, though its list of batches is."""
        if not (isinstance(error, CallError) and error.kind == "not_found"):
            return False
        try:
            await self._client.find(batch.digest)
        except Exception:  # the first error tells more
            return False
        return True

    def _again(self, batch: Batch) -> None:
        """Gather the calls of a batch that is not there; those that nobody asked yet come by themselves."""
        self._notes.forget(batch)
        self._notes.drop(batch.ids)
        for key in batch.ids:
            if key in self._bodies:
                self._send(key)

    def _hand_out(self, batch: Batch, lines: list[dict[str, Any]], state: str) -> None:
        wanted, good = set(batch.ids), []
        for line in lines:
            key = str(line.get("custom_id", ""))
            if key not in wanted:
                continue
            wanted.discard(key)
            answer = parsed(line, self._endpoint.api_key)
            self._end(key, answer)
            good += [key] if isinstance(answer, Reply) else []
        for key in wanted:
            self._end(key, CallError(f"batch_{state}", f"The batch ended as {state} without this call."))
        self._notes.drop(set(batch.ids) - set(good))  # asked anew when they are retried
        batch.ids = good
        if good:
            self._notes.write(batch)
        else:
            self._notes.forget(batch)

    def _end(self, key: str, answer: Reply | CallError) -> None:
        self._be_patient()
        self._bodies.pop(key, None)
        future = self._answers.setdefault(key, asyncio.get_running_loop().create_future())
        if future.done():
            return
        if isinstance(answer, Reply):
            future.set_result(answer)
        else:
            future.set_exception(answer)
            future.exception()  # looked at here: nobody may be waiting for this call yet


def payload(model: str, call: Call) -> dict[str, Any]:
    """The body of a call, with standard fields only; the option `extra` adds others."""
    sampling = call.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in call.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    return body if sampling.seed is None else {**body, "seed": sampling.seed}


def call_id(body: Mapping[str, Any], sample: int) -> str:
    """What names a call in every batch: the same call has the same id in whatever process."""
    return hashlib.blake2b(json.dumps([body, sample], sort_keys=True).encode(), digest_size=16).hexdigest()


def told(error: Exception) -> CallError:
    """What ends the calls of a batch: an error of the client as it is, any other without its own words."""
    if isinstance(error, CallError):
        return error
    name = type(error).__name__
    if isinstance(error, OSError):
        return EndpointDown("storage", f"{name} in var.", final=True)
    message = f"The Batch API gave something that cannot be read ({name}): look at the address of this endpoint."
    return EndpointDown("bad_response", message, final=True)


def parsed(line: Mapping[str, Any], key: str) -> Reply | CallError:
    """The reply in a line of a result file, without our key, or the error in its place."""
    try:
        response = line.get("response") or {}
        status, body = response.get("status_code", 0), response.get("body")
        if status == 200:
            return without_key(completed(body, "The Batch API"), key)
        error = body.get("error") if isinstance(body, dict) else None
        if status == 400 and isinstance(error, dict) and refused(str(error.get("code") or "")):
            return Reply("", finish="content_filter")
        kind = "rate_limited" if status == 429 else "server_error" if status >= 500 else "bad_request"
        return CallError(kind, f"The Batch API gave {int(status) or 'no answer'} for this call.")
    except CallError as error:
        return error
    except (TypeError, AttributeError, ValueError, OverflowError):
        return CallError("bad_response", "The Batch API gave something that is no chat completion.")
