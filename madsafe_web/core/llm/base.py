"""What every LLM backend takes and gives: plain values, no Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
# "thinking": the thinking used up max_tokens, so there is no answer.
Finish = Literal["stop", "length", "content_filter", "thinking"]
# Kinds of errors that say something about the server and not about the request.
OF_THE_SERVER = frozenset({"timeout", "slow_body", "cut_off", "server_error"})


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sent explicitly with every call: server defaults differ and must never decide a result."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a language model.

    `template` and `template_sha` name the text that `messages` were rendered from, `inputs` what went into it:
    real models see `messages` only; the offline rules read `template` and `inputs`.
    `sample` keeps several samples of the same request apart in the cache.
    `schema` is what a JSON reply should keep to: held by the server where the endpoint has it do so.
    `itself` says that no other model's answer will do, as where the model is what is measured: no fallback is asked. It
    is no part of a call's key.
    """

    template: str
    template_sha: str
    inputs: Mapping[str, str]
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    sample: int = 0
    schema: Mapping[str, Any] | None = None
    itself: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The raw text as the model gave it, before any parsing, and what it cost in tokens.

    `key` names the stored Generation; `way` is filled where a provider refused and its fallback was asked: each
    endpoint with the key of its reply, this one's last. The engine sets both, backends leave them empty.
    """

    text: str
    finish: Finish = "stop"
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    key: str = ""
    way: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Mean negative log-likelihood of a text in nats per token, and how it was taken.

    `tokens` counts the tokens scored (BOS is context, never scored); perplexity = exp(nll).
    """

    nll: float
    tokens: int
    truncated: bool = False


class CallError(Exception):
    """A call that ended without a usable reply.

    `kind` is the error class shown to people; `final` says that a retry cannot help.
    """

    def __init__(self, kind: str, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.final = final


class EndpointDown(CallError):
    """The endpoint cannot be reached or refuses us altogether: the run stops and says so, its rows are not failed."""


class Backend(Protocol):
    """A language model that answers. One instance lives in one event loop; many calls may await at once."""

    offline_rules: bool

    async def complete(self, call: Call) -> Reply:
        """Answer one call. Raises CallError, or EndpointDown when no call can succeed."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Scorer(Protocol):
    """A backend that can also read probabilities off the model."""

    async def likelihood(self, text: str) -> Likelihood | None:
        """Likelihood of the raw text after exactly one BOS; None for empty text."""
        ...

    async def choose(self, prompt: str, options: Sequence[str]) -> list[float]:
        """Log-probability of each option as the continuation of `prompt`, in the order given."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A backend with limits (`rpm`, `tpm`) that all workers keep together."""

    def share(self, workers: int) -> None:
        """Keep to one part of so many. Called in the loop."""
        ...


@runtime_checkable
class Patient(Protocol):
    """A backend whose calls may wait for their turn, or before another attempt.

    `refusals` counts the answers "too many requests" (429) so far.
    """

    @property
    def refusals(self) -> int: ...

    def give_up_waiting(self) -> None:
        """Cancel the calls that wait, and those that would; calls under way at the server go on. Called in the loop."""
        ...
