"""Prompt templates: versioned text files with `{{ name }}` places, rendered into a Call.

A template file holds an optional system part and a user part, separated by a line `---`.
Its sha256 is stored with everything it produced. The files are version 0 of each template; copies that people edited
are rows (core.llm.versions). Which of them a run renders is fixed when it starts: see `using`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from madsafe_web.core.llm.base import Call, Message, Sampling

FOLDERS = (
    Path(__file__).resolve().parents[3] / "pipeline" / "prompt_templates",
    Path(__file__).resolve().parents[3] / "evaluation" / "prompt_templates",
)
PLACE = re.compile(r"\{\{ (\w+) \}\}")
RULE = "\n---\n"  # between the system part and the user part


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    text: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str]:
        """The system text (may be empty) and the user text."""
        system, line, user = self.text.partition(RULE)
        return (system, user) if line else ("", self.text)

    @property
    def places(self) -> list[str]:
        """The names of its places, each once, in the order of the text."""
        return list(dict.fromkeys(PLACE.findall(self.text)))


# What the run in work renders instead of the files: name → template. Set around the work on a run, in its thread, and
# handed on by asyncio to everything that this thread starts in the loop.
_IN_USE: ContextVar[Mapping[str, Template] | None] = ContextVar("templates in use", default=None)


def made(name: str, text: str) -> Template:
    """A template of this text, which counts without the line breaks at its end."""
    text = text.rstrip("\n")
    return Template(name, text, hashlib.sha256(text.encode()).hexdigest())


@contextmanager
def using(chosen: Mapping[str, Template]) -> Iterator[None]:
    """Render these templates by their names inside the block; every other name is its file."""
    token = _IN_USE.set(chosen)
    try:
        yield
    finally:
        _IN_USE.reset(token)


@cache
def names() -> tuple[str, ...]:
    """The names of all templates of the installation, in order."""
    return tuple(sorted(path.stem for folder in FOLDERS for path in folder.glob("*.txt")))


@cache
def load(name: str) -> Template:
    """The template file `<name>.txt`, for example `label.zh`. Raises FileNotFoundError with the names that exist."""
    for folder in FOLDERS:
        path = folder / f"{name}.txt"
        if path.is_file():
            return made(name, path.read_text(encoding="utf-8"))
    raise FileNotFoundError(f"There is no prompt template '{name}'. Known: {', '.join(names())}.")


def fill(text: str, inputs: Mapping[str, str]) -> str:
    """Put the inputs into their places; a place inside an input stays text. Raises KeyError for a missing input."""
    return PLACE.sub(lambda match: inputs[match[1]], text)


def messages(template: Template, inputs: Mapping[str, str]) -> tuple[Message, ...]:
    """What a model is sent: the system part, where there is one, and the user part. Raises KeyError as `fill` does."""
    system, user = template.parts
    first = (Message("system", fill(system, inputs)),) if system else ()
    return (*first, Message("user", fill(user, inputs)))


def render(
    name: str,
    inputs: Mapping[str, str],
    sampling: Sampling,
    sample: int = 0,
    schema: Mapping[str, Any] | None = None,
) -> Call:
    """The call that template `name` makes of these inputs: the one that the run in work uses, else its file."""
    template = (_IN_USE.get() or {}).get(name) or load(name)
    return Call(name, template.sha256, dict(inputs), messages(template, inputs), sampling, sample, schema)
