"""Notes of the batches that were sent: one file a batch below the var folder, and which of them holds a call.

Which one does is kept in a temporary database file that SQLite makes and removes, not in memory: a month of batches
holds millions of calls. A note itself is read when its batch is followed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from madsafe_web.core.textio import atomic_write

MOST_KB = 32_000  # of that file in memory
KEPT_S = 30 * 24 * 3600.0  # as long as providers keep result files


@dataclass(slots=True)
class Batch:
    """What is noted of a batch: the ids of its calls, their digest, and the provider's id once it has one."""

    digest: str
    ids: list[str]
    id: str = ""
    made: float = field(default_factory=time.time)


class Notes:
    """The notes of one folder, which other workers write into too. Lives in one thread from its first call on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()  # digests of the notes that were read or written here
        self._opened: sqlite3.Connection | None = None

    def read(self, *, unsent: bool) -> None:
        """Learn of the calls in the notes that were not read yet; notes older than the provider's files go.

        `unsent` says whether to take those without the provider's id too: a worker may be sending them just now.
        """
        for path in sorted(self._folder.glob("*.json")):
            if path.stem in self._known:
                continue
            batch = self.load(path.stem)
            if batch is None:  # its worker is done with it
                continue
            if time.time() - batch.made > KEPT_S:
                path.unlink(missing_ok=True)
            elif batch.id or unsent:
                self._known.add(batch.digest)
                with self._transaction() as index:
                    held = ((key, batch.digest) for key in sorted(batch.ids))
                    index.executemany("INSERT OR REPLACE INTO held VALUES (?, ?)", held)

    def holder(self, key: str) -> str:
        """The digest of an earlier or another worker's batch that holds the call; "" for none."""
        found = self._index.execute("SELECT digest FROM held WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def load(self, digest: str) -> Batch | None:
        """The batch; None when its note is gone."""
        try:
            return Batch(**json.loads(self._path(digest).read_bytes()))
        except FileNotFoundError:
            return None

    def write(self, batch: Batch) -> None:
        """Note the batch, anew if need be. Its calls are not those of another worker, so they are not held here."""
        self._known.add(batch.digest)
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._path(batch.digest)) as file:
            file.write(json.dumps(asdict(batch)).encode())

    def forget(self, batch: Batch) -> None:
        """Have no note of the batch any more."""
        self._path(batch.digest).unlink(missing_ok=True)

    def drop(self, keys: Iterable[str]) -> None:
        """Know of no batch that holds these calls."""
        with self._transaction() as index:
            index.executemany("DELETE FROM held WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        """Remove what is kept beside the notes."""
        if self._opened is not None:
            with suppress(sqlite3.Error):
                self._opened.close()
            self._opened = None

    @property
    def _index(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = sqlite3.connect("", isolation_level=None)  # a file of its own, removed with the connection
            self._opened.execute("PRAGMA journal_mode = OFF")
            self._opened.execute(f"PRAGMA cache_size = -{MOST_KB}")
            self._opened.execute("CREATE TABLE held (key TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID")
        return self._opened

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One for many rows: each alone would be one of its own."""
        self._index.execute("BEGIN")
        try:
            yield self._index
        finally:
            self._index.execute("COMMIT")

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"
