"""Writing files that are either whole or not there."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import orjson

_BUFFER = 1024 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, and leaves no trace when it raises.

    Data and directory entry are synced to disk first, so a crash leaves the old file or the new one.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb", buffering=_BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write_jsonl(path: Path, rows: Iterable[Any]) -> tuple[int, str]:
    """Write one JSON object a line, streaming; gives (rows written, SHA-256 of the file in hex).

    Raises TypeError for a row that JSON cannot hold; the file is then not there.
    """
    count, digest = 0, hashlib.sha256()
    with atomic_write(path) as file:
        for row in rows:
            line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            file.write(line)
            digest.update(line)
            count += 1
    return count, digest.hexdigest()


def csv_line(cells: Iterable[object]) -> str:
    """One line of RFC 4180, with its end. A text that a spreadsheet would take for a formula gets a quote in front.

    Numbers stay numbers, None is an empty cell.
    """
    out = io.StringIO()
    csv.writer(out).writerow([_inert(cell) for cell in cells])
    return out.getvalue()


def csv_plain(cell: str) -> str:
    """A cell as it was before `csv_line` put a quote in front of what looks like a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def sha256_file(path: Path) -> str:
    """SHA-256 of the bytes as they lie on disk, in hex; of a folder, that of its files' names and hashes."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        lines = (f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n" for file in files)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
