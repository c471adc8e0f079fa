"""Bytes of a plain file, a gzip file or the one data file in a zip archive, with caps against archive bombs.

Nothing is ever extracted to disk, and sizes are counted on the stream, not believed from headers.
"""

from __future__ import annotations

import gzip
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from madsafe_web.core.textio.records import BadFile

CHUNK = 1024 * 1024
MAX_TOTAL = 2 * 1024**3  # unpacked bytes
MAX_RATIO = 100
RATIO_FROM = 1024 * 1024  # unpacked bytes below which the ratio says nothing about harm
MAX_ENTRIES = 1000
MAX_DIRECTORY = 16 * 1024 * 1024  # bytes of a zip's central directory, which zipfile reads at once

_GZIP, _ZIP, _ZIP_EMPTY = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_ADVICE_BOMB = "Unpack it yourself and import the data file"
_ADVICE_CUT = "It was probably cut off or damaged while being copied: fetch it again"
_DATA_SUFFIXES = {".jsonl", ".ndjson", ".json", ".csv", ".tsv"}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def open_bytes(path: Path) -> Iterator[bytes]:
    """Chunks of 1 MB of the unpacked content. What a file is, its first bytes say, not its name.

    Raises BadFile for a damaged, encrypted, nested or dangerous archive, and OSError when the file cannot be read.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == _GZIP:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield from _unpacked(path, unpacked, path.stat().st_size)
        elif magic in (_ZIP, _ZIP_EMPTY):
            yield from _from_zip(path, raw)
        else:
            while chunk := raw.read(CHUNK):
                yield chunk


def _from_zip(path: Path, raw: IO[bytes]) -> Iterator[bytes]:
    _refuse_large_directory(path, raw)
    try:
        with zipfile.ZipFile(raw) as archive:
            member = _data_member(path, archive.infolist())
            with archive.open(member) as unpacked:
                yield from _unpacked(path, unpacked, member.compress_size)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BadFile(path, f"the zip archive cannot be read ({error})", _ADVICE_CUT) from error


def _unpacked(path: Path, stream: _Readable, packed_size: int) -> Iterator[bytes]:
    total = 0
    while True:
        try:
            chunk = stream.read(CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            where = f"after {total:,} unpacked bytes"
            raise BadFile(path, "the compressed data is damaged or ends too early", _ADVICE_CUT, where) from error
        if not chunk:
            return
        if not total and (chunk[:2] == _GZIP or chunk[:4] == _ZIP):
            raise BadFile(path, "there is an archive inside the archive", _ADVICE_BOMB)
        total += len(chunk)
        _refuse_bomb(path, total, packed_size)
        yield chunk


def _refuse_bomb(path: Path, unpacked: int, packed: int) -> None:
    if unpacked > MAX_TOTAL:
        raise BadFile(path, f"it unpacks to more than {MAX_TOTAL // 1024**3} GB", "Split it into smaller files")
    if unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise BadFile(path, f"it unpacks to more than {MAX_RATIO} times its size, like an archive bomb", _ADVICE_BOMB)


def _refuse_large_directory(path: Path, raw: IO[bytes]) -> None:
    """zipfile loads the whole table of contents before anything can be checked, so its size is looked up first."""
    size = path.stat().st_size
    raw.seek(max(0, size - 65_557))  # the end record is 22 bytes plus a comment of at most 65,535
    tail = raw.read()
    at = tail.rfind(_ZIP_EMPTY)
    if at < 0 or len(tail) < at + 22:
        raise BadFile(path, "the zip archive has no table of contents", _ADVICE_CUT)
    entries, directory = struct.unpack_from("<HI", tail, at + 10)
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY:
        raise BadFile(path, f"the zip archive has more than {MAX_ENTRIES:,} entries", _ADVICE_BOMB)
    raw.seek(0)


def _data_member(path: Path, entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(entries) > MAX_ENTRIES:
        raise BadFile(path, f"the zip archive has more than {MAX_ENTRIES:,} entries", _ADVICE_BOMB)
    for entry in entries:
        _refuse_entry(path, entry)
    files = [entry for entry in entries if not entry.is_dir() and not _is_junk(entry.filename)]
    if len(files) > 1:
        files = [entry for entry in files if PurePosixPath(entry.filename).suffix.lower() in _DATA_SUFFIXES]
    if len(files) != 1:
        problem = f"the zip archive holds {len(files)} data files (JSONL, JSON or CSV), expected one"
        raise BadFile(path, problem, "Unpack it and import each data file by itself")
    _refuse_bomb(path, files[0].file_size, files[0].compress_size)
    return files[0]


def _refuse_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        raise BadFile(path, f"the zip archive holds the unsafe file name {name[:80]!r}", _ADVICE_BOMB)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise BadFile(path, f"the zip archive holds a link, {name[:80]!r}", _ADVICE_BOMB)
    if entry.flag_bits & 1:
        raise BadFile(path, "the zip archive is encrypted", "Unpack it with its password and import the data file")


def _is_junk(name: str) -> bool:
    """macOS writes a shadow of every file into __MACOSX, with the real file's ending."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store"
