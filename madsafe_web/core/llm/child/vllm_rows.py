"""Asks a model through vLLM's `LLM`: started by the backend `vllm` with the interpreter of vLLM's own environment.

It imports nothing of MadSafe and lies in a folder of its own: beside our vllm.py, `import vllm` would find that one.
One JSON object a line. Standard input: first the settings, then requests. Standard output: {"ready"} once the model is
loaded, then {"batch": ids} before each batch and a line for each of its requests. When standard input ends, whoever
asked is gone: this process then kills its whole group. What cannot be survived ends it with a traceback.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TextIO

GATHER_S = 0.05  # how long a batch waits for more requests after its first
MOST_CHARACTERS = 8 << 20  # of one reply
ERROR_CHARACTERS = 300
OF_THE_ENGINE = ("VLLMServerError", "EngineDeadError", "EngineGenerateError")
Request = dict[str, Any]
Batch = Sequence[Request]


class Inbox:
    """The requests that wait, filled by a thread that reads standard input."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._arrived = threading.Condition()

    def fill(self, lines: BinaryIO) -> None:
        """Read requests until there are no more, then end everything."""
        for line in lines:
            with self._arrived:
                self._waiting.append(json.loads(line))
                self._arrived.notify()
        end_group()

    def batch(self) -> list[Request]:
        """The next batch: requests of one kind, no more than any of them may share a batch with."""
        with self._arrived:
            while not self._waiting:
                self._arrived.wait()
        time.sleep(GATHER_S)
        with self._arrived:
            first = self._waiting.popleft()
            taken, most, others = [first], int(first["most"]), deque[Request]()
            while self._waiting and len(taken) < most:
                one = self._waiting.popleft()
                if one["do"] == first["do"] and len(taken) < int(one["most"]):
                    taken.append(one)
                    most = min(most, int(one["most"]))
                else:
                    others.append(one)
            self._waiting.extendleft(reversed(others))
        return taken


class Model:
    """vLLM's engine with one model."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import vllm

        self.version = str(vllm.__version__)
        self._llm = vllm.LLM(**settings["engine"])
        self._template = settings.get("chat_template_kwargs") or None
        self.context = int(self._llm.llm_engine.model_config.max_model_len)

    def chat(self, batch: Batch) -> list[dict[str, Any]]:
        """A reply for each request; the sampling and the seed are those of each."""
        asked, sampling = [one["messages"] for one in batch], [_sampling(one) for one in batch]
        outputs = self._llm.chat(asked, sampling, use_tqdm=False, chat_template_kwargs=self._template)
        return [_reply(output) for output in outputs]

    def score(self, batch: Batch) -> list[dict[str, Any]]:
        """The mean negative log-likelihood of each text, its head alone where it is too long."""
        head = self._head()
        cap = self.context - 1 - len(head)  # one place is for the token that vLLM will generate
        texts = self._ids([one["text"] for one in batch])
        rows = [[*head, *ids[:cap]] for ids in texts]
        kept = [row for row in rows if len(row) > 1]
        scored = iter(self._log_probabilities(kept))
        return [
            _scored(next(scored), truncated=len(ids) > cap) if len(row) > 1 else {"empty": True}
            for row, ids in zip(rows, texts, strict=True)
        ]

    def choose(self, batch: Batch) -> list[dict[str, Any]]:
        """The summed log-probability of each option after the prompt of its request."""
        choices = [self._choice(one["prompt"], one["options"]) for one in batch]
        flat = [(row, size) for choice in choices if isinstance(choice, list) for row, size in choice]
        found = iter(self._log_probabilities([row for row, _ in flat]))
        return [
            {"scores": [math.fsum(next(found)[-size:]) for _, size in choice]} if isinstance(choice, list) else choice
            for choice in choices
        ]

    def _choice(self, prompt: str, options: Sequence[str]) -> list[tuple[list[int], int]] | dict[str, Any]:
        """Token ids of the prompt with each option, and how many of them are the option's."""
        start, *fulls = self._ids([prompt, *(prompt + option for option in options)])
        head = self._head()
        if not (head or start) or not options:
            return {"error": "choice", "message": "A choice needs a prompt and at least one option."}
        for option, ids in zip(options, fulls, strict=True):
            if ids[: len(start)] != start or len(ids) == len(start):
                message = f"The option {option!r} does not tokenise apart from the end of the prompt {prompt[-8:]!r}: "
                return {"error": "choice", "message": message + "end the prompt with a sign such as '(' or '：'."}
        longest = len(head) + max(len(ids) for ids in fulls) + 1
        if longest > self.context:
            message = f"The prompt needs {longest} tokens and the model holds {self.context}."
            return {"error": "bad_request", "message": message}
        return [([*head, *ids], len(ids) - len(start)) for ids in fulls]

    def _head(self) -> list[int]:
        """The one token that stands before a scored text."""
        tokenizer = self._llm.get_tokenizer()
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        return [] if first is None else [int(first)]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids; what looks like a control token in a text stays plain text."""
        asked = self._llm.get_tokenizer()(list(texts), add_special_tokens=False, split_special_tokens=True)
        return [list(ids) for ids in asked["input_ids"]]

    def _log_probabilities(self, rows: Sequence[list[int]]) -> list[list[float]]:
        """Of each row the log-probability of every token after its first."""
        from vllm import SamplingParams

        if not rows:
            return []
        sampling = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        outputs = self._llm.generate([{"prompt_token_ids": row} for row in rows], sampling, use_tqdm=False)
        return [
            [float(output.prompt_logprobs[at][row[at]].logprob) for at in range(1, len(row))]
            for row, output in zip(rows, outputs, strict=True)
        ]


def _sampling(one: Request) -> Any:
    from vllm import SamplingParams

    if not one.get("schema"):
        return SamplingParams(**one["sampling"])
    from vllm.sampling_params import StructuredOutputsParams

    return SamplingParams(**one["sampling"], structured_outputs=StructuredOutputsParams(json=one["schema"]))


def _reply(output: Any) -> dict[str, Any]:
    first = output.outputs[0]
    if first.finish_reason not in ("stop", "length"):
        return {"error": "cut_off", "message": f"vLLM ended this reply with '{first.finish_reason}'."}
    if len(first.text) > MOST_CHARACTERS:
        return {"error": "too_large", "message": f"vLLM gave more than {MOST_CHARACTERS} characters."}
    tokens = {"prompt_tokens": len(output.prompt_token_ids), "completion_tokens": len(first.token_ids)}
    return {"text": first.text, "finish": first.finish_reason, **tokens}


def _scored(values: list[float], *, truncated: bool) -> dict[str, Any]:
    return {"nll": -math.fsum(values) / len(values), "tokens": len(values), "truncated": truncated}


def answered(do: Callable[[Batch], list[dict[str, Any]]], batch: Batch) -> list[dict[str, Any]]:
    """What `do` says to each request. vLLM refuses a batch whole for one bad request, so it is halved to find that."""
    try:
        return do(batch)
    except Exception as error:
        if deadly(error):
            raise
        if len(batch) == 1:
            said = (str(error).strip() or type(error).__name__).partition("\n")[0]
            return [{"error": "bad_request", "message": f"vLLM refuses this call: {said[:ERROR_CHARACTERS]}"}]
    half = len(batch) // 2
    return answered(do, batch[:half]) + answered(do, batch[half:])


def deadly(error: Exception) -> bool:
    """Whether the engine is of no use afterwards: memory, the accelerator or a process of vLLM failed."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, MemoryError | RuntimeError | OSError) or bool(kinds.intersection(OF_THE_ENGINE))


def end_group() -> None:
    """Kill this process with all that vLLM started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def tell(out: TextIO, **facts: Any) -> None:
    """Write one line."""
    out.write(json.dumps(facts) + "\n")
    out.flush()


def main() -> None:
    """Load the model, then answer batch after batch."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # vLLM writes its log to standard output
    settings, inbox = json.loads(sys.stdin.buffer.readline()), Inbox()
    threading.Thread(target=inbox.fill, args=(sys.stdin.buffer,), daemon=True).start()
    try:
        model = Model(settings)
        tell(out, ready={"vllm": model.version, "context": model.context})
        while True:
            batch = inbox.batch()
            tell(out, batch=[one["id"] for one in batch])
            for one, answer in zip(batch, answered(getattr(model, batch[0]["do"]), batch), strict=True):
                tell(out, id=one["id"], **answer)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the processes of vLLM may hang in their own ends; our parent ends the group


if __name__ == "__main__":
    main()
