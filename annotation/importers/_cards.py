"""The card of a Hugging Face dataset: the YAML at the head of its README.md."""

from __future__ import annotations

import fnmatch
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from madsafe_web.core.textio import BadFile, Member, Source, open_bytes
from madsafe_web.core.textio.sources import is_zip, zip_entries

CARD = "README.md"
_LARGEST = 1024 * 1024  # bytes of a card that are read
_HEAD = re.compile(r"\A\ufeff?---\r?\n(.*?)\r?\n---", re.DOTALL)
_SPLIT = re.compile(r"(?:^|[/_.-])(train|test|validation|valid|val|dev)(?=[/_.-]|$)", re.IGNORECASE)
_NAMES = {"valid": "val", "validation": "val"}


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says. `folder` is where it lies, ending in "/" or ""; `files` are (pattern, split) of its configs."""

    folder: str = ""
    licence: str = ""
    files: tuple[tuple[str, str], ...] = ()

    def split_of(self, source: Source) -> str | None:
        """The split of a data file: as the card says, else by its name ("" for none); None when the card leaves it out.

        "validation" is "val", as in other formats.
        """
        if not isinstance(source, Member):
            return ""
        name = source.name.removeprefix(self.folder)
        for pattern, split in self.files:
            if fnmatch.fnmatchcase(name, pattern.replace("**", "*")):
                return _NAMES.get(split, split)
        if self.files:
            return None
        found = _SPLIT.findall(name)
        return _NAMES.get(found[-1].lower(), found[-1].lower()) if found else ""


def card_of(path: Path) -> Card | None:
    """The card of a folder or zip archive; None where there is none. A card that is no YAML says nothing."""
    name = _card_name(path)
    if name is None:
        return None
    head = _HEAD.match(_text(Member(name, path, name) if path.is_file() else path / name))
    try:
        said = yaml.safe_load(head[1]) if head else {}
    except (yaml.YAMLError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    licence = said.get("license", said.get("licence", ""))
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")
    return Card(name.removesuffix(CARD), licence[:80], tuple(_files(said.get("configs"))))


def _card_name(path: Path) -> str | None:
    if path.is_dir():
        return CARD if (path / CARD).is_file() and not (path / CARD).is_symlink() else None
    if not is_zip(path):
        return None
    names = [entry.filename for entry in zip_entries(path)]
    cards = [name for name in names if name.split("/")[-1] == CARD]
    return min(cards, key=len, default=None)


def _text(source: Source) -> str:
    text = b""
    try:
        for chunk in open_bytes(source):
            text += chunk
            if len(text) > _LARGEST:
                break
    except (BadFile, zipfile.BadZipFile):
        return ""
    return text[:_LARGEST].decode(errors="replace")


def _files(configs: Any) -> list[tuple[str, str]]:  # whatever YAML holds
    """(pattern, split) of each file that a configuration names."""
    found: list[tuple[str, str]] = []
    for config in configs if isinstance(configs, list) else []:
        files = config.get("data_files") if isinstance(config, dict) else None
        for one in files if isinstance(files, list) else [files]:
            said = one if isinstance(one, dict) else {"path": one}
            paths = said.get("path")
            for pattern in paths if isinstance(paths, list) else [paths]:
                if isinstance(pattern, str):
                    found.append((pattern.removeprefix("./"), str(said.get("split", ""))))
    return found
