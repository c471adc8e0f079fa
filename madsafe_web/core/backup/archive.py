"""The file of a backup: a tar archive, written and read as a stream, with a manifest as its last member.

The manifest gives size and SHA-256 of every member, so a file that is torn or was changed is known before it is used.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any, BinaryIO

import orjson

FORMAT = 1
MANIFEST = "manifest.json"
PIECE = 1024 * 1024


class BackupError(Exception):
    """One sentence for people: what cannot be done, and what to do about it."""


@dataclass(slots=True)
class Manifest:
    """What stands in a backup."""

    made: str  # ISO 8601
    vendor: str  # the database that it was made from
    migrations: dict[str, list[str]]  # app → the applied ones
    var: str  # the var folder it was made from
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # name → {"columns": […], "rows": 3}
    members: dict[str, list[Any]] = field(default_factory=dict)  # name → [size in bytes, SHA-256]
    audit: list[Any] = field(default_factory=list)  # [number, hash] of the newest event
    without_models: bool = False
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(int(table["rows"]) for table in self.tables.values())

    def files(self) -> list[str]:
        """Paths below the var folder."""
        return [name.removeprefix("files/") for name in self.members if name.startswith("files/")]


class _Hashed:
    """A file whose hash is known once it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.digest.update(piece)
        self.size += len(piece)
        return piece


class Writer:
    """Adds members to an archive, then the manifest."""

    def __init__(self, out: BinaryIO, manifest: Manifest) -> None:
        self.manifest = manifest
        # `end` closes it; without an end there is no manifest, and the file is thrown away.
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=PIECE)  # noqa: SIM115

    def add(self, name: str, file: IO[bytes], size: int) -> None:
        """Add exactly `size` bytes of the file. Raises OSError where it has fewer."""
        self.manifest.members[name] = [size, self._store(name, file, size)]

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data), len(data))

    def end(self) -> str:
        """Write the manifest and close the archive; gives the manifest's SHA-256, which names the whole backup."""
        data = orjson.dumps(asdict(self.manifest), option=orjson.OPT_SORT_KEYS)
        digest = self._store(MANIFEST, io.BytesIO(data), len(data))
        self._tar.close()
        return digest

    def _store(self, name: str, file: IO[bytes], size: int) -> str:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        hashed: Any = _Hashed(file)
        self._tar.addfile(info, hashed)
        return str(hashed.digest.hexdigest())


def verified(file: BinaryIO, name: str) -> tuple[Manifest, str]:
    """The manifest and its SHA-256, after every member was read once and found as the manifest says.

    Raises BackupError for anything else than a whole, unchanged backup.
    """
    found: dict[str, list[Any]] = {}
    last, digest = b"", ""
    try:
        for member, content in members(file):
            hashed = _Hashed(content)
            kept = _through(hashed, keep=member == MANIFEST)
            if member == MANIFEST:
                last, digest = kept, hashed.digest.hexdigest()
            elif member in found or last:
                raise BackupError(f"{name} holds {member} twice or after its end. It was changed; use another one.")
            else:
                found[member] = [hashed.size, hashed.digest.hexdigest()]
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{name} is torn or is no backup ({error}). Use another one.") from error
    if not last:
        raise BackupError(f"{name} is torn: its end is missing. Use another one.")
    manifest = _manifest(last, name)
    for member in sorted({*found, *manifest.members}):
        if found.get(member) != manifest.members.get(member):
            raise BackupError(f"{name} was changed or is damaged: {member} is not what was written. Use another one.")
    return manifest, digest


def members(file: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every member, each to be read before the next one is asked for. Raises TarError."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r|", bufsize=PIECE) as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            if content is None:
                raise tarfile.ReadError(f"{info.name!r} is no plain file")
            yield info.name, content


def _through(hashed: _Hashed, *, keep: bool) -> bytes:
    """Read to the end; what was read where it is to be kept."""
    kept: list[bytes] = []
    take: Callable[[bytes], None] = kept.append if keep else lambda _: None
    while piece := hashed.read(PIECE):
        take(piece)
    return b"".join(kept)


def _manifest(data: bytes, name: str) -> Manifest:
    try:
        content = orjson.loads(data)
        if content.get("format") != FORMAT:
            raise BackupError(f"{name} has format {content.get('format')}; this version reads format {FORMAT}.")
        return Manifest(**content)
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise BackupError(f"{name} has no readable manifest. Use another one.") from error
