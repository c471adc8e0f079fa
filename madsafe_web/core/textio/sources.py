"""Bytes of a plain file, a gzip file or one data file in a zip archive, with caps against archive bombs.

Nothing is ever extracted under a name from an archive, and sizes are counted on the stream, not believed from headers.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, TypeVar, cast

from madsafe_web.core.textio.records import BadFile, Named

T = TypeVar("T")
CHUNK = 1024 * 1024
MAX_TOTAL = 2 * 1024**3  # unpacked bytes
MAX_RATIO = 100
RATIO_FROM = 1024 * 1024  # unpacked bytes below which the ratio says nothing about harm
MAX_ENTRIES = 1000
MAX_DIRECTORY = 16 * 1024 * 1024  # bytes of a zip's central directory, which zipfile reads at once
_MOST_KEPT = 64 * 1024 * 1024  # bytes of beginnings
DATA_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"})
_ABOUT = frozenset({"readme", "license", "licence", "notice", "copying", "changelog", "authors", "requirements"})

_GZIP, _ZIP, _ZIP_EMPTY = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_ADVICE_BOMB = "Unpack it yourself and import the data file"
_ADVICE_CUT = "It was probably cut off or damaged while being copied: fetch it again"


@dataclass(frozen=True, slots=True)
class Member:
    """One data file of an archive or folder.

    `name` is its path inside, with "/"; `path` the file on disk that holds it; `entry` its name in the zip archive
    there, "" where that file is the data file itself.
    """

    name: str
    path: Path
    entry: str = ""


Source = Path | Member
CORRECTED = "_corrected/"  # folder in an archive of rejected rows that were corrected, JSONL by the files they were in


def is_corrected(source: Source) -> bool:
    """True for corrected rows of a file, which are JSONL under the name of that file, whatever it was."""
    return isinstance(source, Member) and source.entry.startswith(CORRECTED)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def open_bytes(source: Source) -> Iterator[bytes]:
    """Chunks of 1 MB of the unpacked content. What a file is, its first bytes say, not its name.

    Raises BadFile for a damaged, encrypted, nested or dangerous archive or a folder, OSError when it cannot be read.
    """
    kept = _kept.get()
    return _chunks(source) if kept is None else kept.chunks(source)


@contextmanager
def beginnings_kept() -> Iterator[None]:
    """While entered, the beginning of each file is read once, for those who look at it again and again."""
    token = _kept.set(_Beginnings())
    try:
        yield
    finally:
        _kept.reset(token)


def told_once(source: Source, tell: Callable[[Source], T]) -> T:
    """What a file's beginning tells; while beginnings are kept, it is told once."""
    kept = _kept.get()
    if kept is None:
        return tell(source)
    if (source, tell) not in kept.told:
        kept.told[source, tell] = tell(source)
    return cast(T, kept.told[source, tell])


def is_kept(source: Source) -> bool:
    """True for a small file, the whole of which is kept with the beginnings of others."""
    kept = _kept.get()
    return kept is not None and source in kept.whole


class _Beginnings:
    """First chunks by their files; what there is no room for is read again."""

    def __init__(self) -> None:
        self.whole: set[Source] = set()  # those of which there is no more than the first chunk
        self.told: dict[tuple[Source, Callable[[Source], Any]], Any] = {}
        self._room = _MOST_KEPT
        self._first: dict[Source, bytes] = {}

    def chunks(self, source: Source) -> Iterator[bytes]:
        if source not in self._first:
            chunks = _chunks(source)
            first = next(chunks, b"")
            if len(first) > self._room:
                yield first
                yield from chunks
                return
            self._keep(source, first, chunks)
        if self._first[source]:
            yield self._first[source]
        if source not in self.whole:
            yield from islice(_chunks(source), 1, None)

    def _keep(self, source: Source, first: bytes, rest: Iterator[bytes]) -> None:
        self._room -= len(first)
        self._first[source] = first
        with suppress(BadFile, OSError):  # whoever reads on gets to know it
            if next(rest, None) is None:
                self.whole.add(source)


_kept: ContextVar[_Beginnings | None] = ContextVar("beginnings", default=None)


def _chunks(source: Source) -> Iterator[bytes]:
    path, entry = (source.path, source.entry) if isinstance(source, Member) else (source, "")
    if path.is_dir():
        raise BadFile(source, "it is a folder, expected a file", "Import the data file in it")
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == _GZIP:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield from _unpacked(source, unpacked, path.stat().st_size)
        elif magic in (_ZIP, _ZIP_EMPTY):
            yield from _from_zip(source, raw, entry)
        else:
            while chunk := raw.read(CHUNK):
                yield chunk


def is_zip(path: Path) -> bool:
    """True when the first bytes are those of a zip archive."""
    with path.open("rb") as raw:
        return raw.read(4) in (_ZIP, _ZIP_EMPTY)


def zip_entries(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip archive but for junk, in its order. Raises BadFile for a table that cannot be trusted."""
    with path.open("rb") as raw, _archive(path, raw) as archive:
        return _files(path, archive)


def refuse_entry(path: Named, entry: zipfile.ZipInfo) -> None:
    """Raise BadFile for an entry with an unsafe name, a link, an encrypted one or a bomb by its declared size."""
    name = entry.orig_filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        raise BadFile(path, f"the zip archive holds the unsafe file name {name[:80]!r}", _ADVICE_BOMB)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise BadFile(path, f"the zip archive holds a link, {name[:80]!r}", _ADVICE_BOMB)
    if entry.flag_bits & 1:
        raise BadFile(path, "the zip archive is encrypted", "Unpack it with its password and import the data file")
    _refuse_bomb(path, entry.file_size, entry.compress_size)


def data_names(names: list[str]) -> list[str]:
    """Those of several files that look like data by their endings; a single file is data whatever it is called.

    Plain text is data where nothing else is, but for what goes by the name of a licence or the like.
    """
    if len(names) < 2:
        return names
    paths = {name: PurePosixPath(name.lower()) for name in names}
    data = [name for name, path in paths.items() if path.suffix in DATA_SUFFIXES]
    return data or [name for name, path in paths.items() if path.suffix == ".txt" and not is_about(name)]


def is_about(name: str) -> bool:
    """True for what goes by the name of a licence or the like: README.md, LICENSE, NOTICE.en.txt."""
    return PurePosixPath(name.lower()).name.partition(".")[0] in _ABOUT


def is_junk(name: str) -> bool:
    """True for hidden files and for __MACOSX, where macOS writes a shadow of every file with the real one's ending."""
    parts = name.split("/")
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in parts)


def _archive(path: Named, raw: IO[bytes]) -> zipfile.ZipFile:
    _refuse_large_directory(path, raw)
    try:
        return zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BadFile(path, f"the zip archive cannot be read ({error})", _ADVICE_CUT) from error


def _files(path: Named, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BadFile(path, f"the zip archive has more than {MAX_ENTRIES:,} entries", _ADVICE_BOMB)
    files = [entry for entry in entries if not entry.is_dir() and not is_junk(entry.filename)]
    name, count = next(iter(Counter(entry.filename for entry in files).most_common(1)), ("", 0))
    if count > 1:
        raise BadFile(path, f"the zip archive holds {count} files of the one name {name[:80]!r}", _ADVICE_BOMB)
    return files


def _from_zip(source: Source, raw: IO[bytes], entry: str) -> Iterator[bytes]:
    with _archive(source, raw) as archive:
        member = _named_member(source, archive, entry) if entry else _only_member(source, archive)
        try:
            with archive.open(member) as unpacked:
                yield from _unpacked(source, unpacked, member.compress_size)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise BadFile(source, f"the zip archive cannot be read ({error})", _ADVICE_CUT) from error


def _named_member(source: Named, archive: zipfile.ZipFile, entry: str) -> zipfile.ZipInfo:
    member = archive.getinfo(entry)
    refuse_entry(source, member)
    return member


def _only_member(source: Named, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = {entry.filename: entry for entry in _files(source, archive)}
    for entry in files.values():
        refuse_entry(source, entry)
    names = data_names(list(files))
    if len(names) != 1:
        problem = f"the zip archive holds {len(names)} data files (JSONL, JSON, CSV, Parquet or text), expected one"
        raise BadFile(source, problem, "Unpack it and import each data file by itself")
    return files[names[0]]


def _unpacked(source: Named, stream: _Readable, packed_size: int) -> Iterator[bytes]:
    total = 0
    while True:
        try:
            chunk = stream.read(CHUNK)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's word, not that of a decompressor
            where = f"after {total:,} unpacked bytes"
            raise BadFile(source, "the compressed data is damaged or ends too early", _ADVICE_CUT, where) from error
        if not chunk:
            return
        if not total and (chunk[:2] == _GZIP or chunk[:4] == _ZIP):
            raise BadFile(source, "there is an archive inside the archive", _ADVICE_BOMB)
        total += len(chunk)
        _refuse_bomb(source, total, packed_size)
        yield chunk


def _refuse_bomb(source: Named, unpacked: int, packed: int) -> None:
    if unpacked > MAX_TOTAL:
        raise BadFile(source, f"it unpacks to more than {MAX_TOTAL // 1024**3} GB", "Split it into smaller files")
    if unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise BadFile(source, f"it unpacks to more than {MAX_RATIO} times its size, like an archive bomb", _ADVICE_BOMB)


def _refuse_large_directory(path: Named, raw: IO[bytes]) -> None:
    """zipfile loads the whole table of contents before anything can be checked, so its size is looked up first."""
    size = raw.seek(0, 2)
    raw.seek(max(0, size - 65_557))  # the end record is 22 bytes plus a comment of at most 65,535
    tail = raw.read()
    at = tail.rfind(_ZIP_EMPTY)
    if at < 0 or len(tail) < at + 22:
        raise BadFile(path, "the zip archive has no table of contents", _ADVICE_CUT)
    entries, directory = struct.unpack_from("<HI", tail, at + 10)
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY:
        raise BadFile(path, f"the zip archive has more than {MAX_ENTRIES:,} entries", _ADVICE_BOMB)
    raw.seek(0)
