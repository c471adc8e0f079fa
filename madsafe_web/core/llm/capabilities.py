"""What each backend can do, in one table: the pages show it, and a test holds it against the code of the backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Structured = Literal["response_format", "vllm"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a stage may ask of a backend.

    seed             the same seed asks for the same reply; a server need not hold to it
    n                several replies to one call; without it, each sample is a call of its own
    logprobs         probabilities of given continuations (`Scorer.choose`)
    prompt_logprobs  likelihood of a given text (`Scorer.likelihood`)
    structured       ways in which a reply can be held to a JSON schema; the endpoint's `structured_output` chooses
    """

    seed: bool = False
    n: bool = False
    logprobs: bool = False
    prompt_logprobs: bool = False
    structured: tuple[Structured, ...] = ()


BACKENDS: dict[str, Capabilities] = {
    "rules": Capabilities(),
    "tiny_llama": Capabilities(seed=True, logprobs=True, prompt_logprobs=True),
    "transformers": Capabilities(seed=True, logprobs=True, prompt_logprobs=True),
    "vllm": Capabilities(seed=True, logprobs=True, prompt_logprobs=True, structured=("vllm",)),
    "openai_compatible": Capabilities(seed=True, structured=("response_format", "vllm")),
    "openai_batch": Capabilities(seed=True, structured=("response_format",)),
}


def of(backend: str) -> Capabilities:
    """What a backend can do; nothing for a name that is not known."""
    return BACKENDS.get(backend, Capabilities())
