"""Backend `vllm`: vLLM's offline `LLM` in a child process of another environment. Answers, scores and chooses.

Endpoint: `model` (folder or cached hub id) and the options of vllm_options.py. MADSAFE_VLLM_PYTHON names the Python of
an environment with vLLM (requirements/serve.txt); nothing of vLLM is ever imported here.
Calls that wait at the same time make a batch in the child. When it dies or hangs it is started again: the calls of that
batch are asked anew in batches of a sixteenth, so that the one that kills it ends alone as an error.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Likelihood, Reply
from madsafe_web.core.llm.completion import thought_apart
from madsafe_web.core.llm.transformers import ModelEndpoint
from madsafe_web.core.llm.vllm_options import Options
from madsafe_web.core.llm.vllm_process import Ended, Process

MOST_DEATHS = 5  # in a row, without any answer between
PARTS = 16  # of a batch that killed the child
NOT_SET = (
    "MADSAFE_VLLM_PYTHON is not set: it names the Python of an environment with vLLM. Set it where the worker runs."
)


@dataclass(slots=True)
class Asked:
    """A request without its answer yet, how large its batch may be, and how often the child died with it in hand."""

    what: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]
    most: int
    deaths: int = 0


def create(endpoint: ModelEndpoint) -> VllmBackend:
    """The backend of one endpoint. Starts nothing yet: the first call does."""
    options = Options.of(endpoint.options)
    return VllmBackend(endpoint.model, options, settings.VLLM_PYTHON, Path(settings.VAR_DIR))


class VllmBackend:
    """Backend, Scorer and Patient over one child process at a time. Lives in one event loop."""

    offline_rules = False
    refusals = 0  # see `Patient`

    def __init__(
        self,
        model: str,
        options: Options,
        python: str,
        folder: Path,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._model, self._options, self._python, self._folder, self._sleep = model, options, python, folder, sleep
        self._open: dict[int, Asked] = {}
        self._numbers = itertools.count()
        self._batch: set[int] = set()  # what the child is at work on
        self._process: Process | None = None
        self._ready = self._closed = self._overdue = False
        self._watch: asyncio.Task[None] | None = None
        self._deaths = 0
        self._patient = True

    async def complete(self, call: Call) -> Reply:
        """Answer one call. Raises EndpointDown when vLLM cannot be started or keeps dying, else CallError with the kind
        bad_request, crashed (vLLM died of this call, twice), timeout, cut_off or too_large.
        """
        sampling = {name: value for name, value in asdict(call.sampling).items() if value is not None}
        messages = [{"role": message.role, "content": message.content} for message in call.messages]
        schema = call.schema if self._options.structured else None
        found = await self._ask({"do": "chat", "messages": messages, "sampling": sampling, "schema": schema})
        text, reasoning, finish = thought_apart(found["text"], "", found["finish"])
        return Reply(text, finish, reasoning, found["prompt_tokens"], found["completion_tokens"])

    async def likelihood(self, text: str) -> Likelihood | None:
        """Mean NLL in nats per token of the raw text after one BOS, head kept when too long; None for empty text."""
        found = await self._ask({"do": "score", "text": text})
        return None if "empty" in found else Likelihood(found["nll"], found["tokens"], found["truncated"])

    async def choose(self, prompt: str, options: Sequence[str]) -> list[float]:
        """Summed log-probability (nats) of each option's tokens after BOS and the raw prompt.

        Raises ValueError when an option does not tokenise apart from the prompt.
        """
        found = await self._ask({"do": "choose", "prompt": prompt, "options": list(options)})
        return [float(score) for score in found["scores"]]

    def give_up_waiting(self) -> None:
        """See `Patient`. The batch that vLLM is at work on goes on."""
        self._patient = False
        for number, asked in self._open.items():
            if number not in self._batch:
                asked.answer.cancel()

    async def close(self) -> None:
        """End the child and all that it started."""
        self._closed = True
        self._unwatch()
        if self._process:
            self._process.kill()
            await asyncio.to_thread(self._process.join)

    async def _ask(self, what: Mapping[str, Any]) -> dict[str, Any]:
        if not self._patient:
            raise asyncio.CancelledError
        number = next(self._numbers)
        asked = Asked(what, asyncio.get_running_loop().create_future(), self._options.batch_rows)
        self._open[number] = asked
        try:
            if self._process is None:
                self._start()
            else:
                self._send(number, asked)
            found = await asked.answer
        finally:
            del self._open[number]
        if "error" not in found:
            return found
        if found["error"] == "choice":
            raise ValueError(found["message"])
        raise CallError(found["error"], found["message"], final=found["error"] == "bad_request")

    # The child

    def _start(self) -> None:
        """Start the child and give it all that waits. Raises EndpointDown."""
        if not self._python:
            raise EndpointDown("not_configured", NOT_SET, final=True)
        loop = asyncio.get_running_loop()

        def heard(facts: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(self._heard, facts)

        def ended(end: Ended) -> None:
            loop.call_soon_threadsafe(self._ended, end)

        try:
            self._process = Process(self._python, self._options.settings(self._model), self._folder, heard, ended)
        except OSError as error:
            message = f"MADSAFE_VLLM_PYTHON names no program that can be started ({error.strerror}): {self._python}"
            raise EndpointDown("not_configured", message, final=True) from error
        self._ready = self._overdue = False
        for number, asked in self._open.items():
            self._send(number, asked)
        self._watch_for(self._options.load_timeout)

    def _send(self, number: int, asked: Asked) -> None:
        assert self._process
        self._process.send({"id": number, "most": asked.most, **asked.what})

    def _heard(self, facts: dict[str, Any]) -> None:
        """A line of the child."""
        if "ready" in facts:
            self._ready = True
            self._unwatch()
        elif "batch" in facts:
            self._batch = set(facts["batch"])
            self._watch_for(self._options.total_timeout)
        else:
            number = facts["id"]
            self._deaths = 0
            self._batch.discard(number)
            if not self._batch:
                self._unwatch()
            self._settle(number, facts)

    def _ended(self, end: Ended) -> None:
        """The child is dead. What waits is asked anew, unless nothing helps."""
        self._unwatch()
        self._process = None
        batch, self._batch = sorted(self._batch), set()
        if self._closed:
            return
        self._deaths += 1
        if not self._ready or self._deaths > MOST_DEATHS:
            self._fail(self._given_up(end))
            return
        for number in batch:
            self._blame(number, len(batch), end)
        if any(not asked.answer.done() for asked in self._open.values()):
            try:
                self._start()
            except EndpointDown as error:
                self._fail(error)

    def _blame(self, number: int, together: int, end: Ended) -> None:
        """Have a call of the batch that killed the child asked in a smaller one; alone and twice, it was the cause."""
        asked = self._open.get(number)
        if asked is None:
            return
        asked.deaths += 1
        asked.most = max(1, together // PARTS)
        if together == 1 and asked.deaths > 1:
            told = {"error": "crashed", "message": f"vLLM died of this call ({end})."}
            if self._overdue:
                seconds = f"{self._options.total_timeout:g}"
                told = {"error": "timeout", "message": f"vLLM gave no answer to this call within {seconds} seconds."}
            self._settle(number, told)

    def _given_up(self, end: Ended) -> EndpointDown:
        if self._ready:
            message = f"vLLM died {self._deaths} times in a row without an answer ({end}): look at its memory."
            return EndpointDown("vllm_ended", message, final=True)
        if self._overdue:
            seconds = f"{self._options.load_timeout:g}"
            message = f"vLLM did not load {self._model} within {seconds} seconds."
            return EndpointDown("timeout", message, final=True)
        message = f"vLLM cannot load {self._model} ({end}): correct the model or the options of this endpoint."
        return EndpointDown("model_unreadable", message, final=True)

    def _settle(self, number: int, facts: dict[str, Any]) -> None:
        asked = self._open.get(number)
        if asked and not asked.answer.done():
            asked.answer.set_result(facts)

    def _fail(self, error: EndpointDown) -> None:
        for asked in self._open.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)

    def _watch_for(self, seconds: float) -> None:
        """Kill the child after so many seconds, unless something comes first."""
        self._unwatch()
        self._watch = asyncio.get_running_loop().create_task(self._kill_after(seconds))

    def _unwatch(self) -> None:
        if self._watch:
            self._watch.cancel()
            self._watch = None

    async def _kill_after(self, seconds: float) -> None:
        await self._sleep(seconds)
        if self._process:
            self._overdue = True
            self._process.kill()
