"""A catalogue on disk, which every process of this machine maps read-only: they share its memory and start warm.

One file: sizes and a checksum, a header as JSON, then the columns as they stand in memory. Its name says which database
it is of, in which layout and of which data version. What cannot be read is as if it were not there, and what cannot be
written stays in memory. See docs/decisions/0017.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from django.db import connection
from django.db.models import Max

from annotation.catalogue.index import Catalogue, Coded, Version
from annotation.catalogue.texts import Texts
from annotation.catalogue.wanted import NUMBERS, PLAIN
from annotation.models import Prompt
from annotation.versions import data_changes, kept_folder
from madsafe_web.core.models import Run
from madsafe_web.core.textio.writers import atomic_write

SINGLE = ("ids", "link_rows", "link_labels", "labels", "parent_rows", "parent_ids")
LAYOUT = f"1 {SINGLE} {PLAIN} {NUMBERS}"  # raise the number with the meaning of a column
START = struct.Struct("<4sIII")  # mark, bytes of the header, checksum of the header and of the columns
MARK = b"MSC1"
ALIGNED = 64
PIECE = 2**20
DAMAGED = (OSError, ValueError, KeyError, TypeError, struct.error)
log = logging.getLogger(__name__)


def newest(version: Version) -> Catalogue | None:
    """The catalogue of this version, or else the newest one that rows were only added to since; None for neither."""
    found = [(_version_of(path), path) for path in kept_folder().glob(f"{_prefix()}*.bin")]
    usable = [(old, path) for old, path in found if old and version.only_adds_to(old)]
    for old, path in sorted(usable, reverse=True):
        try:
            return _opened(path, old)
        except DAMAGED as error:
            log.warning("The catalogue %s cannot be used and is made anew: %s", path.name, error)
            path.unlink(missing_ok=True)
    return None


def keep(catalogue: Catalogue) -> Catalogue:
    """Write it and give the same catalogue from its file; as it is where that fails."""
    path = kept_folder() / f"{_prefix()}{'-'.join(map(str, catalogue.version))}.bin"
    try:
        if catalogue.version.working or not path.exists():  # rows of a run may be committed late
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with atomic_write(path) as file:
                os.fchmod(file.fileno(), 0o600)
                _write(file, catalogue)
        _remove_others(path)
        opened = _opened(path, catalogue.version)
    except DAMAGED as error:
        log.warning("The catalogue stays in memory alone: %s", error)
        return catalogue
    if data_changes() != catalogue.version.changes:  # its texts may just have been withdrawn
        path.unlink(missing_ok=True)
    return replace(opened, orders=catalogue.orders, categories=catalogue.categories, searches=catalogue.searches)


def _prefix() -> str:
    """What the names of files of this database and layout begin with."""
    said = {name: str(connection.settings_dict.get(name)) for name in ("ENGINE", "NAME", "HOST", "PORT")}
    return blake2b(json.dumps([LAYOUT, said]).encode(), digest_size=8).hexdigest() + "-"


def _version_of(path: Path) -> Version | None:
    numbers = path.stem.split("-")[1:]
    known = len(numbers) == len(Version._fields) and all(number.isdecimal() for number in numbers)
    return Version(*map(int, numbers)) if known else None


def _remove_others(path: Path) -> None:
    """Files of older versions, layouts and databases, and what a killed process began. Who maps one still has it."""
    for other in kept_folder().iterdir():
        if other != path and not (other.suffix == ".tmp" and other.stat().st_mtime > path.stat().st_mtime - 600):
            other.unlink(missing_ok=True)


def _mark(version: Version) -> list[str]:
    """What tells two histories apart that have come to the same numbers, as after a restored backup."""
    keys = Prompt.objects.filter(pk=version.prompt).values_list("key", flat=True)
    return [*(bytes(key).hex() for key in keys), str(Run.objects.aggregate(at=Max("finished"))["at"])]


def _columns(catalogue: Catalogue) -> Iterator[tuple[str, Any]]:
    yield from ((name, getattr(catalogue, name)) for name in SINGLE)
    yield "units", catalogue.texts.units
    yield from ((f"coded {name}", one.codes) for name, one in catalogue.coded.items())
    yield from ((f"number {name}", column) for name, column in catalogue.numbers.items())


def _write(file: BinaryIO, catalogue: Catalogue) -> None:
    """Column by column: a copy of all of them would take as much memory again."""
    columns = {name: np.ascontiguousarray(column) for name, column in _columns(catalogue)}
    places, end, checksum = [], 0, 0
    for name, column in columns.items():
        places.append((name, column.dtype.str, len(column), end))
        end += column.nbytes + -column.nbytes % ALIGNED
        checksum = zlib.crc32(bytes(-column.nbytes % ALIGNED), zlib.crc32(column.data, checksum))
    header = json.dumps(
        {
            "made": catalogue.made.isoformat(),
            "mark": _mark(catalogue.version),
            "values": {name: one.values for name, one in catalogue.coded.items()},
            "columns": places,
            "bytes": end,
        }
    ).encode()
    header += b" " * (-(START.size + len(header)) % ALIGNED)
    file.write(START.pack(MARK, len(header), zlib.crc32(header), checksum))
    file.write(header)
    for column in columns.values():
        file.write(column.data)
        file.write(bytes(-column.nbytes % ALIGNED))


def _opened(path: Path, version: Version) -> Catalogue:
    """The catalogue of a file. Raises one of DAMAGED for one that is not whole or not of this database."""
    with path.open("rb") as file:
        header, start = _checked(file)
        if header["mark"] != _mark(version):
            raise ValueError("it is of another history of this database")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    columns = {name: np.frombuffer(mapped, kind, count, start + at) for name, kind, count, at in header["columns"]}
    values = header["values"]
    return Catalogue(
        version=version,
        made=datetime.fromisoformat(header["made"]),
        coded={name: Coded(columns[f"coded {name}"], tuple(values[name])) for name in values},
        numbers={name: columns[f"number {name}"] for name in (*NUMBERS, "length")},
        texts=Texts(columns["units"]),
        ids=columns["ids"],
        link_rows=columns["link_rows"],
        link_labels=columns["link_labels"],
        labels=columns["labels"],
        parent_rows=columns["parent_rows"],
        parent_ids=columns["parent_ids"],
    )


def _checked(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header and where the columns begin. Read, not mapped: looking at a page makes it memory of this process."""
    mark, size, header_sum, columns_sum = START.unpack(file.read(START.size))
    text = file.read(size)
    if mark != MARK or zlib.crc32(text) != header_sum:
        raise ValueError("its header is damaged")
    header: dict[str, Any] = json.loads(text)
    checksum, count = 0, 0
    while piece := file.read(PIECE):
        checksum, count = zlib.crc32(piece, checksum), count + len(piece)
    if count != header["bytes"] or checksum != columns_sum:
        raise ValueError("its columns are damaged")
    return header, START.size + size
