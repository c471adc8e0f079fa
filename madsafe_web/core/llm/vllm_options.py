"""The options of an endpoint with the backend `vllm`: ours, and those that vLLM's engine gets.

  total_timeout  seconds that one batch may take, load_timeout those of loading the model
  batch_rows     calls of one batch
  chat_template_kwargs  fields for the model's chat template, such as {"enable_thinking": false}
  structured_output     "vllm": stages that want JSON hold replies to its schema
  ENGINE         arguments of vLLM's `LLM` by their own names
No option can make it run code of a model or read weights that are no safetensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

DTYPES = ("auto", "bfloat16", "float16", "float32")
# Option → the kind of its value and the most it can be. The least number is above 0.
ENGINE: dict[str, tuple[type, float]] = {
    "dtype": (str, 20),
    "quantization": (str, 40),
    "revision": (str, 80),
    "max_model_len": (int, 10_000_000),
    "tensor_parallel_size": (int, 64),
    "gpu_memory_utilization": (float, 1.0),
    "max_num_seqs": (int, 100_000),
    "enforce_eager": (bool, 1),
}
SECONDS = {"total_timeout": 86_400, "load_timeout": 86_400}
OF_THE_SERVER = ("model", "reasoning_parser")  # texts in the option `serve`, beside ENGINE: see vllm_command.py
SAFE = {"trust_remote_code": False, "load_format": "safetensors"}  # neither code of a model nor pickles
COMPACT = {"backend": "xgrammar", "disable_any_whitespace": True}  # else a model may write tabs until max_tokens


@dataclass(frozen=True, slots=True)
class Options:
    """What an endpoint's options come to. Times in seconds."""

    total_timeout: float = 1800.0
    load_timeout: float = 1800.0
    batch_rows: int = 256
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    structured: bool = False
    engine: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Options:
        """The options of an endpoint; names that are not known here are left out."""
        own = ("total_timeout", "load_timeout", "batch_rows", "chat_template_kwargs")
        return cls(
            **{name: written[name] for name in own if name in written},
            structured=written.get("structured_output", "none") != "none",
            engine={name: written[name] for name in ENGINE if name in written},
        )

    def settings(self, model: str) -> dict[str, Any]:
        """The first line for the child: the arguments of `LLM`, and what goes to its chat template."""
        engine: dict[str, Any] = {"model": model, **SAFE, "seed": 0, **self.engine}
        if self.structured:
            engine["structured_outputs_config"] = COMPACT
        return {"engine": engine, "chat_template_kwargs": dict(self.chat_template_kwargs)}


def wrong(written: Mapping[str, Any], others: tuple[str, ...]) -> str:
    """What is wrong with these options, in one sentence; "" when nothing is. `others` are known to every backend."""
    if not isinstance(written, Mapping):
        return _("Write the options as a JSON object.")
    own = (*ENGINE, *SECONDS, "batch_rows", "chat_template_kwargs")
    for name, value in written.items():
        if name not in own and name not in others:
            known = ", ".join(sorted({*own, *others}))
            return _("There is no option '%(name)s'. Known: %(known)s.") % {"name": name, "known": known}
        if name == "chat_template_kwargs" and not isinstance(value, Mapping):
            return _("The option 'chat_template_kwargs' must be a JSON object.")
        kind, most = (float, SECONDS[name]) if name in SECONDS else ENGINE.get(name, (object, 0.0))
        if fault := _wrong_value(name, value, kind, most):
            return fault
    return ""


def wrong_serve(written: Any) -> str:
    """What is wrong with the option `serve`, in one sentence; "" when nothing is."""
    if not isinstance(written, Mapping):
        return _("The option 'serve' must be a JSON object.")
    rest = {name: value for name, value in written.items() if name not in OF_THE_SERVER}
    if strangers := sorted(set(rest) - set(ENGINE)):
        known = ", ".join(sorted((*ENGINE, *OF_THE_SERVER)))
        return _("There is no option '%(name)s'. Known: %(known)s.") % {"name": strangers[0], "known": known}
    for name in OF_THE_SERVER:
        value = written.get(name, "x")
        if not isinstance(value, str) or not re.fullmatch(r"[^\x00-\x1f\x7f]{1,300}", value):
            return _("The option '%(name)s' must be a short text.") % {"name": name}
    return wrong(rest, ())


def _wrong_value(name: str, value: Any, kind: type, most: float) -> str:
    if kind is bool and not isinstance(value, bool):
        return _("The option '%(name)s' must be true or false.") % {"name": name}
    if name == "dtype" and value not in DTYPES:
        return _("The option 'dtype' must be one of %(known)s.") % {"known": ", ".join(DTYPES)}
    if kind is str and not (isinstance(value, str) and 0 < len(value) <= most):
        return _("The option '%(name)s' must be a short text.") % {"name": name}
    if kind in (int, float):
        allowed = int if kind is int else int | float
        if isinstance(value, bool) or not isinstance(value, allowed) or not 0 < value <= most:
            bounds = {"name": name, "most": f"{most:g}"}
            return _("The option '%(name)s' must be a number above 0 and at most %(most)s.") % bounds
    return ""
