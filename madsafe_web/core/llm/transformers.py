"""Backend `transformers`: a model folder or a cached hub model, in this process. Answers, scores and chooses.

Endpoint: `model` (folder or hub id) and `options`:
  device "cpu"|"cuda"|..., dtype "float32"|"bfloat16"|..., threads (torch CPU threads), revision (hub commit),
  batch_tokens (padded tokens of one scoring batch), generation_tokens (the same for generation, prompt + new),
  batch_rows (rows of one generation batch), max_new_tokens (cap on every call), max_tokens (cap on scored tokens),
  chat_template (false: messages are joined by blank lines and sent raw).
One worker thread per backend does all torch work, so the event loop stays free.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Likelihood, Reply, Sampling
from madsafe_web.core.llm.batching import Limits, MicroBatcher

# Bigger batches are slower on a CPU (cache) and faster on a GPU: 1024 tokens scored 336 rows/s, 2048 only 274.
SCORING_TOKENS = {"cpu": 1024, "cuda": 16384}
GENERATION_TOKENS = 16384
GENERATION_ROWS = 32
# from_pretrained switches process-wide defaults while it builds a model: two at once leave empty weights behind.
ONE_LOAD = threading.Lock()
SMALL_MODEL = 50_000_000  # below, a second thread costs more than it gives


class ModelEndpoint(Protocol):
    @property
    def model(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """Model, tokenizer and the facts every score depends on. torch objects have no useful static type here."""

    model: Any
    tokenizer: Any
    device: str
    context: int
    prefix: int | None  # the one token that stands before a scored text
    ends: frozenset[int]


@dataclass(frozen=True, slots=True)
class Scored:
    """Token ids of one text, with the prefix when there is one; the first id is context only."""

    ids: tuple[int, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Token ids of the prompt and of each option as its continuation."""

    prompt: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Generation:
    ids: tuple[int, ...]
    new_tokens: int
    sampling: Sampling


def create(endpoint: ModelEndpoint) -> TransformersBackend:
    """The backend of one endpoint. Loads nothing yet: the model is loaded by the first call, in the worker thread."""
    return TransformersBackend(endpoint.model, endpoint.options)


class TransformersBackend:
    """Backend and Scorer over one in-process model."""

    offline_rules = False

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self._name, self._options = model, dict(options)
        self._loaded: Loaded | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")
        self._complete = MicroBatcher[Call, Generation, Reply](
            self._prepare_generations, _generation_cost, self._generate, self._generation_limits, self._thread
        )
        self._likelihood = MicroBatcher[str, Scored, Likelihood | None](
            self._prepare_texts, _scored_cost, self._score, self._scoring_limits, self._thread
        )
        self._choose = MicroBatcher[tuple[str, tuple[str, ...]], Choice, list[float]](
            self._prepare_choices, _choice_cost, self._score_choices, self._scoring_limits, self._thread
        )

    async def complete(self, call: Call) -> Reply:
        """Answer one call; the text depends on the call and its seed, not on what else is in the batch.

        Raises EndpointDown when the model cannot be loaded, CallError for a prompt longer than the context.
        """
        return await self._complete.submit(call)

    async def likelihood(self, text: str) -> Likelihood | None:
        """Mean NLL in nats per token of the raw text after one BOS, head kept when too long; None for empty text.

        With a model that has neither BOS nor EOS the first token is context and is not scored.
        """
        return await self._likelihood.submit(text)

    async def choose(self, prompt: str, options: Sequence[str]) -> list[float]:
        """Summed log-probability (nats, fp32) of each option's tokens after BOS and the raw prompt.

        For one-token options after "(" this is the CLP protocol of SafetyBench (code/evaluate_base.py).
        Raises ValueError when an option does not tokenise apart from the prompt: its score would mean something else.
        """
        return await self._choose.submit((prompt, tuple(options)))

    async def close(self) -> None:
        for batcher in (self._complete, self._likelihood, self._choose):
            await batcher.close()
        self._thread.shutdown(wait=True)
        self._loaded = None

    def describe(self) -> dict[str, str]:
        """The facts a score depends on, for cache keys; loads the model, so not for the event loop's thread."""
        loaded = self._thread.submit(self._load).result()
        return {
            "model": self._name,
            "revision": str(self._options.get("revision", "")),
            "dtype": str(loaded.model.dtype),
            "prefix_id": "no_bos" if loaded.prefix is None else str(loaded.prefix),
            "max_tokens": str(self._scored_cap(loaded)),
            "chat_template": str(self._options.get("chat_template", True)),
        }

    def _load(self) -> Loaded:
        if self._loaded is None:
            with ONE_LOAD:
                self._loaded = load(self._name, self._options)
        return self._loaded

    def _scoring_limits(self) -> Limits:
        device = self._load().device.partition(":")[0]
        return Limits(int(self._options.get("batch_tokens", SCORING_TOKENS.get(device, SCORING_TOKENS["cpu"]))))

    def _generation_limits(self) -> Limits:
        tokens = self._options.get("generation_tokens", GENERATION_TOKENS)
        return Limits(int(tokens), int(self._options.get("batch_rows", GENERATION_ROWS)))

    def _scored_cap(self, loaded: Loaded) -> int:
        room = loaded.context - (loaded.prefix is not None)
        return min(room, int(self._options.get("max_tokens", room)))

    def _prepare_texts(self, texts: list[str]) -> list[Scored | Exception]:
        loaded = self._load()
        cap = self._scored_cap(loaded)
        head = () if loaded.prefix is None else (loaded.prefix,)
        rows = encode_raw(loaded.tokenizer, texts, cap + 1)
        return [Scored((*head, *ids[:cap]), truncated=len(ids) > cap) for ids in rows]

    def _score(self, rows: list[Scored]) -> list[Likelihood | None | Exception]:
        from madsafe_web.core.llm.scoring import likelihoods

        with _out_of_memory():
            return [*likelihoods(self._load(), rows)]

    def _prepare_choices(self, asked: list[tuple[str, tuple[str, ...]]]) -> list[Choice | Exception]:
        loaded = self._load()
        return [_tokenized_choice(loaded, prompt, options) for prompt, options in asked]

    def _score_choices(self, choices: list[Choice]) -> list[list[float] | Exception]:
        from madsafe_web.core.llm.scoring import option_scores

        with _out_of_memory():
            return [*option_scores(self._load(), choices)]

    def _prepare_generations(self, calls: list[Call]) -> list[Generation | Exception]:
        loaded = self._load()
        template = bool(self._options.get("chat_template", True))
        cap = int(self._options.get("max_new_tokens", loaded.context))
        return [_tokenized_call(loaded, call, template, cap) for call in calls]

    def _generate(self, rows: list[Generation]) -> list[Reply | Exception]:
        from madsafe_web.core.llm.generation import generate

        with _out_of_memory():
            return [*generate(self._load(), rows)]


@contextmanager
def _out_of_memory() -> Iterator[None]:
    """Say a full accelerator in Python's word for it, which makes the batcher halve the batch."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error


def _generation_cost(row: Generation) -> int:
    return len(row.ids) + row.new_tokens


def _scored_cost(row: Scored) -> int:
    return len(row.ids)


def _choice_cost(row: Choice) -> int:
    """Padded length times the number of sequences: options of one token share one sequence."""
    longest = max((len(option) for option in row.options), default=1)
    return (len(row.prompt) + longest - 1) * (1 if longest == 1 else len(row.options))


def load(name: str, options: Mapping[str, Any]) -> Loaded:
    """Load model and tokenizer, weights from safetensors only, never any code of the model.

    Raises EndpointDown with what to do when there is no such model or it cannot be read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a worker's log is no terminal
    is_folder = Path(name).is_dir()
    if Path(name).is_absolute() and not (Path(name) / "config.json").is_file():
        message = f"There is no model folder with a config.json at {name}. Correct the model of this endpoint."
        raise EndpointDown("model_missing", message)
    common = {"trust_remote_code": False, "local_files_only": is_folder, "revision": options.get("revision")}
    device = str(options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = str(options.get("dtype") or ("float32" if device == "cpu" else "bfloat16"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **common)
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=getattr(torch, dtype), use_safetensors=True, **common
        ).to(device)
    except (OSError, ValueError, AttributeError, RuntimeError, ImportError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise EndpointDown("model_unreadable", f"The model {name} cannot be loaded: {first_line}") from error
    model.eval()
    threads = options.get("threads") or (1 if model.num_parameters() < SMALL_MODEL else None)
    if threads:
        torch.set_num_threads(int(threads))
    prefix = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    context = int(getattr(model.config, "max_position_embeddings", None) or 2048)
    return Loaded(model, tokenizer, device, context, prefix, _ends(model, tokenizer))


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a reply: what the generation settings say, and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id] if token is not None)


def encode_raw(tokenizer: Any, texts: Sequence[str], cap: int | None = None) -> list[list[int]]:
    """Token ids of plain texts, at most `cap` each. What looks like a control token in a text stays plain text."""
    limits = {} if cap is None else {"truncation": True, "max_length": cap}
    asked = list(texts)
    side, tokenizer.truncation_side = tokenizer.truncation_side, "right"  # the head is kept, whatever the model's habit
    try:
        return list(tokenizer(asked, add_special_tokens=False, split_special_tokens=True, **limits)["input_ids"])
    finally:
        tokenizer.truncation_side = side


def _tokenized_choice(loaded: Loaded, prompt: str, options: Sequence[str]) -> Choice | Exception:
    start, *fulls = encode_raw(loaded.tokenizer, [prompt, *(prompt + option for option in options)])
    for option, ids in zip(options, fulls, strict=True):
        if ids[: len(start)] != start or len(ids) == len(start):
            return ValueError(
                f"The option {option!r} does not tokenise apart from the end of the prompt {prompt[-8:]!r}: "
                "end the prompt with a sign such as '(' or '：'."
            )
    head = [] if loaded.prefix is None else [loaded.prefix]
    choice = Choice((*head, *start), tuple(tuple(ids[len(start) :]) for ids in fulls))
    if not choice.prompt or not options:
        return ValueError("A choice needs a prompt and at least one option.")
    longest = len(choice.prompt) + max(len(option) for option in choice.options) - 1
    return _too_long(longest, loaded) or choice


def _tokenized_call(loaded: Loaded, call: Call, template: bool, cap: int) -> Generation | Exception:
    if template and loaded.tokenizer.chat_template is None:
        return CallError(
            "bad_request", "The model has no chat template: set the option chat_template to false.", final=True
        )
    ids = _templated(loaded.tokenizer, call) if template else _joined(loaded, call)
    error = _too_long(len(ids) + 1, loaded)
    if error is not None:
        return error
    new_tokens = max(1, min(call.sampling.max_tokens, cap, loaded.context - len(ids)))
    return Generation(tuple(ids), new_tokens, call.sampling)


def _too_long(tokens: int, loaded: Loaded) -> CallError | None:
    if tokens <= loaded.context:
        return None
    message = f"The prompt needs {tokens} tokens and the model holds {loaded.context}."
    return CallError("bad_request", message, final=True)


def _joined(loaded: Loaded, call: Call) -> list[int]:
    head = [] if loaded.prefix is None else [loaded.prefix]
    return head + encode_raw(loaded.tokenizer, ["\n\n".join(message.content for message in call.messages)])[0]


def _templated(tokenizer: Any, call: Call) -> list[int]:
    """Ids of the chat template. A control token written inside a message is encoded as plain text: attack prompts
    carry such tokens, and a server must not let them end a turn."""
    contents = [message.content for message in call.messages]
    hostile = any(token in content for token in tokenizer.all_special_tokens for content in contents)
    marks = [f"@@{index}@@" if hostile else content for index, content in enumerate(contents)]
    messages = [{"role": m.role, "content": mark} for m, mark in zip(call.messages, marks, strict=True)]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    if not hostile:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    ids: list[int] = []
    for mark, content in zip(marks, contents, strict=True):
        before, _, text = text.partition(mark)
        ids += [*tokenizer(before, add_special_tokens=False)["input_ids"], *encode_raw(tokenizer, [content])[0]]
    return ids + list(tokenizer(text, add_special_tokens=False)["input_ids"])
