"""Prompt templates: versioned text files with `{{ name }}` places, rendered into a Call.

A template file holds an optional system part and a user part, separated by a line `---`.
Its sha256 is stored with everything it produced.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from madsafe_web.core.llm.base import Call, Message, Sampling

FOLDERS = (
    Path(__file__).resolve().parents[3] / "pipeline" / "prompt_templates",
    Path(__file__).resolve().parents[3] / "evaluation" / "prompt_templates",
)
PLACE = re.compile(r"\{\{ (\w+) \}\}")


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    text: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str]:
        """The system text (may be empty) and the user text."""
        system, line, user = self.text.partition("\n---\n")
        return (system, user) if line else ("", self.text)


@cache
def load(name: str) -> Template:
    """The template file `<name>.txt`, for example `label.zh`. Raises FileNotFoundError with the names that exist."""
    for folder in FOLDERS:
        path = folder / f"{name}.txt"
        if path.is_file():
            text = path.read_text(encoding="utf-8").rstrip("\n")
            return Template(name, text, hashlib.sha256(text.encode()).hexdigest())
    known = sorted(p.stem for folder in FOLDERS for p in folder.glob("*.txt"))
    raise FileNotFoundError(f"There is no prompt template '{name}'. Known: {', '.join(known)}.")


def fill(text: str, inputs: Mapping[str, str]) -> str:
    """Put the inputs into their places; a place inside an input stays text. Raises KeyError for a missing input."""
    return PLACE.sub(lambda match: inputs[match[1]], text)


def render(name: str, inputs: Mapping[str, str], sampling: Sampling, sample: int = 0) -> Call:
    """The call that template `name` makes of these inputs."""
    template = load(name)
    system, user = template.parts
    messages = [Message("system", fill(system, inputs))] if system else []
    messages.append(Message("user", fill(user, inputs)))
    return Call(name, template.sha256, dict(inputs), tuple(messages), sampling, sample)
