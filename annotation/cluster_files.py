"""The files of `propose_clusters`: names of labels, which prompts have them, and the texts of those prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import orjson

from annotation.clustering.proposers.base import Material
from annotation.detecting import detect, why_not
from annotation.importers.base import ImportedRow, ImportOptions, kind_of
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.textio import BadFile, BadRecord, read_jsonl

SAMPLED = 40  # prompts of a label whose texts are compared
MOST_NAMES = 5_000  # all are compared with all
_LARGEST = 16 * 1024 * 1024  # bytes of a list of names


def read_names(path: Path) -> list[str]:
    """The names of a JSON list in their order, each once. Raises ConfigError for anything but texts in a list."""
    found = _json(path)
    if not isinstance(found, list):
        raise ConfigError(f"{path.name} holds {kind_of(found)}, expected an array of names.")
    for number, name in enumerate(found, 1):
        if not isinstance(name, str):
            raise ConfigError(f"{path.name}, entry {number}: is {kind_of(name)}, expected the name of a label, a text.")
        if not name.strip():
            raise ConfigError(f"{path.name}, entry {number}: is empty, expected the name of a label.")
    names = list(dict.fromkeys(found))
    if len(names) > MOST_NAMES:
        raise ConfigError(f"{path.name} holds {len(names):,} names. All are compared with all: give {MOST_NAMES:,}.")
    return names


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path.name} is too large for a list of names. Give a JSON list of texts.")
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Correct the path.") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path.name} is not JSON: {error}. Give a list of names.") from error


def read_material(names: Sequence[str], links: Path, prompts: Path) -> Material:
    """The names with the prompts that have them, 40 texts of each at most; links of other labels are passed over.

    Which prompts of a label are taken is told by their source ids alone. Raises ConfigError for a file, row or field
    that cannot be used, and where no link leads to a prompt.
    """
    used: dict[str, set[str]] = {name: set() for name in names}
    for source_id, label in _links(links):
        if label in used:
            used[label].add(source_id)
    sampled = {name: sorted(ids, key=_shuffled)[:SAMPLED] for name, ids in used.items()}
    texts = _texts(prompts, {source_id for ids in sampled.values() for source_id in ids})
    samples = {name: [texts[one] for one in ids if one in texts] for name, ids in sampled.items()}
    if not any(samples.values()):
        raise ConfigError(f"No traceid of {links.name} is the source id of a prompt in {prompts.name}.")
    place = {source_id: at for at, source_id in enumerate(sorted(set().union(*used.values())))}
    return Material(names, samples, {name: frozenset(place[one] for one in ids) for name, ids in used.items()})


def _links(path: Path) -> Iterator[tuple[str, str]]:
    try:
        for record in read_jsonl(path):
            where = f"{path.name}, row {record.number}"
            if isinstance(record, BadRecord):
                raise ConfigError(f"{where}: {record.reason}.")
            if not isinstance(record.value, dict):
                raise ConfigError(f"{where}: is {kind_of(record.value)}, expected an object with traceid and label.")
            yield _field(record.value, "traceid", where), _field(record.value, "label", where)
    except BadFile as error:
        raise ConfigError(f"{error}.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Correct the path.") from error


def _field(row: dict[str, object], name: str, where: str) -> str:
    value = row.get(name)
    if isinstance(value, str) and value:
        return value
    problem = "is empty" if value == "" else f"is {kind_of(value)}, expected a text"
    raise ConfigError(f"{where}, field {name}: {problem if name in row else 'is missing'}.")


def _texts(path: Path, wanted: set[str]) -> dict[str, str]:
    """Texts of the prompts by their source ids, by the importer that fits the file best."""
    options = ImportOptions()
    try:
        found = detect(path, options)
        if not found:
            raise ConfigError(f"{why_not(path, options)}.")
        rows = found[0].importer.read(path, ImportOptions(mapping=found[0].mapping))
        given = (row for _, row in rows if isinstance(row, ImportedRow))
        return {row.source_id: row.text for row in given if row.source_id in wanted}
    except BadFile as error:
        raise ConfigError(f"{error}.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Correct the path.") from error


def _shuffled(source_id: str) -> bytes:
    return blake2b(source_id.encode(), digest_size=8).digest()
