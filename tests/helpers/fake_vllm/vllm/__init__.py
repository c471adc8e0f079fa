"""What our child script needs of vLLM, with the shapes of vLLM 0.33.0, read from its source: entrypoints/llm.py,
entrypoints/common/offline.py, outputs.py, logprobs.py, sampling_params.py, exceptions.py. vLLM 0.32.0 for CPUs gave the
same when it was run with the tiny model.

A word in the last message makes it misbehave. What it was asked is noted in the folder of the model.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vllm.sampling_params import SamplingParams

__all__ = ["LLM", "SamplingParams"]
__version__ = "0.33.0"
BOS, MERGED = 1, 2


class VLLMValidationError(Exception):
    """As in vLLM no ValueError."""


class VLLMServerError(Exception):
    """What a request is not to blame for."""


class EngineDeadError(VLLMServerError):
    """The process of the engine is dead."""


class OutOfMemoryError(RuntimeError):
    """torch's own, which is a RuntimeError too."""


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None
    logprobs: None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class RequestOutput:
    def __init__(self, prompt_token_ids: list[int], prompt_logprobs: Any, outputs: list[CompletionOutput]) -> None:
        self.prompt_token_ids, self.prompt_logprobs, self.outputs = prompt_token_ids, prompt_logprobs, outputs
        self.finished = True


class Tokenizer:
    """A token a character, but "ab" is one."""

    bos_token_id, eos_token_id = BOS, 3

    def __call__(self, texts: list[str], *, add_special_tokens: bool, split_special_tokens: bool) -> dict[str, Any]:
        assert not add_special_tokens and split_special_tokens
        return {"input_ids": [self.ids(text) for text in texts]}

    def ids(self, text: str) -> list[int]:
        return [ord(character) for character in text.replace("ab", chr(MERGED))]


class LLM:
    def __init__(self, model: str, *, trust_remote_code: bool = False, max_model_len: int = 64, **engine: Any) -> None:
        print("INFO a line of its log, which vLLM writes to standard output")
        assert not trust_remote_code
        self.folder = Path(model)
        if not self.folder.is_dir():
            raise OSError(f"{model} is not a local folder")
        if (self.folder / "never").exists():
            threading.Event().wait()
        (self.folder / "pid").write_text(str(os.getpid()))
        (self.folder / "engine").write_text(json.dumps({"max_model_len": max_model_len, **engine}))
        (self.folder / "environment").write_text(json.dumps(dict(os.environ)))
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=max_model_len))

    def get_tokenizer(self) -> Tokenizer:
        return Tokenizer()

    def chat(
        self,
        messages: Sequence[list[dict[str, str]]],
        sampling_params: Sequence[SamplingParams],
        use_tqdm: bool = True,
        *,
        chat_template_kwargs: dict[str, Any] | None = None,
    ) -> list[RequestOutput]:
        assert len(messages) == len(sampling_params) and not use_tqdm
        texts = [one[-1]["content"] for one in messages]
        for text in texts:
            if text.startswith("refused"):  # while the requests are added, before any is run
                raise VLLMValidationError(f"This model's maximum context length is 64 tokens.\n{text}")
        self._note("batches", len(texts))
        while (self.folder / "wait").exists():
            threading.Event().wait(0.02)
        for text in texts:
            self._misbehave(text)
        pairs = zip(texts, sampling_params, strict=True)
        return [self._answer(text, sampling, chat_template_kwargs) for text, sampling in pairs]

    def generate(
        self, prompts: Sequence[dict[str, list[int]]], sampling_params: SamplingParams, *, use_tqdm: bool = True
    ) -> list[RequestOutput]:
        assert not use_tqdm and sampling_params.prompt_logprobs == 0 and sampling_params.max_tokens == 1
        return [self._likelihoods(prompt["prompt_token_ids"]) for prompt in prompts]

    def _answer(self, text: str, sampling: SamplingParams, template: Any) -> RequestOutput:
        held = sampling.structured_outputs.json if sampling.structured_outputs else None
        told = {"text": text, "seed": sampling.seed, "temperature": sampling.temperature, "template": template}
        told["label"] = "weather"  # what stage `label` looks for
        reply = text.partition(":")[2] if text.startswith("say:") else json.dumps({**told, "held": held})
        finish = "abort" if text == "abort" else "length" if len(reply) > 10 * sampling.max_tokens else "stop"
        output = CompletionOutput(0, reply, list(range(len(reply))), None, None, finish)
        return RequestOutput([BOS, *Tokenizer().ids(text)], None, [output])

    def _likelihoods(self, ids: list[int]) -> RequestOutput:
        assert len(ids) + 1 <= self.llm_engine.model_config.max_model_len
        found = [None, *({token: Logprob(-float(token % 5), 1, "x")} for token in ids[1:])]
        return RequestOutput(ids, found, [CompletionOutput(0, "x", [5], None, None, "length")])

    def _note(self, name: str, fact: Any) -> None:
        with (self.folder / name).open("a") as file:
            file.write(f"{fact}\n")

    def _misbehave(self, text: str) -> None:
        if text == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "die once" and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "out of memory":
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if text == "dead engine":
            print("INFO shutting down", file=sys.stderr)
            raise EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")
        if text in ("hang", "offspring"):
            if text == "offspring":
                self._note("pids", subprocess.Popen(["sleep", "600"]).pid)
            (self.folder / "hangs").touch()
            threading.Event().wait()
