"""Backend `tiny_llama`: the tiny model that MadSafe makes of its own sample the first time it is asked.

It scores, generates, trains and is evaluated for real, without any download; it has no skill, so everything that
rests on it is marked like the offline rules. Options: those of the backend `transformers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from filelock import FileLock

from madsafe_web.core.llm.base import Backend
from madsafe_web.core.llm.endpoints import EndpointSpec
from madsafe_web.core.llm.transformers import TransformersBackend

SAMPLE = ("typical_safety_scenarios.json", "instruction_attack_scenarios.json", "alpaca_general.json")


class TinyLlamaBackend(TransformersBackend):
    offline_rules = True


def create(endpoint: EndpointSpec) -> Backend:
    """The backend over the tiny model, which is made first when it is not there yet: 3.4 s on one CPU thread."""
    return TinyLlamaBackend(str(folder()), endpoint.options)


def folder() -> Path:
    """Where the tiny model lies; made under a lock, so that two workers make it once."""
    from madsafe_web.core.llm import tiny_model

    texts = list(_texts())
    home = Path(settings.VAR_DIR, "models")
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"tiny-llama-{tiny_model.source_key(texts, seed=7, steps=160)}"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            tiny_model.make(path, texts)
    return path


def _texts() -> Iterator[str]:
    for name in SAMPLE:
        rows = json.loads(Path(settings.BASE_DIR, "examples", "sample", name).read_text(encoding="utf-8"))
        yield from _strings(rows)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
