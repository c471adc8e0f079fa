"""Supervised fine-tuning of the base model on the frozen set, by LLaMA-Factory (paper, 5.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """The paper's settings are the defaults; `set_id` 0 takes the set that the chain froze, or the newest frozen."""

    set_id: int = 0
    base_endpoint: str = "base"
    learning_rate: float = 6e-7
    epochs: float = 3.0
    batch: int = 1
    accumulation: int = 50
    warmup_ratio: float = 0.0005
    cutoff_len: int = 2048
    template: str = "llama3"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bf16: bool = False
    seed: int = 42


STAGE = WholeStage(name="train", params=Params, work="pipeline.tuning:train")
