"""The rows of a file in batches, read and prepared; those of a large file by a second process.

While one batch is stored, the next one is read, so an import keeps two cores busy. The second process knows no Django
and no database: it is ready in a sixth of a second, and ends when nobody takes its rows. See docs/decisions/0013.
"""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from annotation.importers.base import COUNTING, ImportedRow, Importer, ImportOptions, RejectedRow, row_key
from annotation.text import folded, language, response_key
from madsafe_web.core.registry import plugins
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.textio import BadFile

BATCH_ROWS = 5000
BATCH_CHARACTERS = 8 * 2**20  # of long rows there are fewer in a batch
BESIDE_BYTES = 4 * 2**20  # a smaller file is read before a second process would have started
ROOT = Path(__file__).resolve().parents[1]


class Ready(NamedTuple):
    """A row with all that can be told without the database; each response as (key, text, kind)."""

    key: bytes
    text: str
    folded: str
    language: str
    source_id: str
    scenario: str
    attack_type: str
    payload: Mapping[str, Any]
    responses: tuple[tuple[bytes, str, str], ...]
    warnings: tuple[str, ...]


Batch = list[Ready | RejectedRow]
Coming = Future[int | Batch | None]  # what the second process gives next, None at the end
Asked = SimpleQueue[Coming | None]  # None: nothing more is


class Wanted(NamedTuple):
    """Which rows of which file; `skip` of them are stored already. With `counted`, their number is given first."""

    importer: str
    path: Path
    options: ImportOptions
    skip: int
    counted: bool
    batch_rows: int


@contextmanager
def feed(
    importer: Importer, path: Path, options: ImportOptions, *, skip: int, counted: bool
) -> Iterator[Iterator[int | Batch]]:
    """The number of all rows, where `counted` asks for it, then the rows after the first `skip` in batches.

    Taking from it raises StageError for a file that cannot be read, or not to its end.
    """
    wanted = Wanted(importer.name, path, options, skip, counted, BATCH_ROWS)
    parts = _beside(wanted) if path.is_file() and path.stat().st_size >= BESIDE_BYTES else _parts(wanted)
    try:
        yield parts
    finally:
        parts.close()


def count(importer: Importer, path: Path, options: ImportOptions) -> int:
    """How many rows the file holds. None is converted, which saves half the time. Raises BadFile as reading does."""
    token = COUNTING.set(True)
    try:
        return sum(1 for _ in importer.read(path, options))
    finally:
        COUNTING.reset(token)


def ready(row: ImportedRow) -> Ready:
    """The row as it is stored, but for what only the database knows."""
    responses = tuple((response_key(one.text), one.text, one.kind) for one in row.responses)
    return Ready(
        *(row_key(row), row.text, folded(row.text), language(row.text), row.source_id, row.scenario, row.attack_type),
        *(row.payload, responses, row.warnings),
    )


def _parts(wanted: Wanted) -> Generator[int | Batch, None, None]:
    importer: Importer = plugins("annotation.importers", "IMPORTER")[wanted.importer]
    try:
        if wanted.counted:
            yield count(importer, wanted.path, wanted.options)
        rows = (row for _, row in importer.read(wanted.path, wanted.options))
        yield from _batches(islice(rows, wanted.skip, None), wanted.batch_rows)
    except BadFile as error:
        raise StageError(f"{str(error).rstrip('.')}. Nothing of this file was imported.") from error


def _batches(rows: Iterator[ImportedRow | RejectedRow], most: int) -> Iterator[Batch]:
    batch: Batch = []
    size = 0
    for row in rows:
        batch.append(row if isinstance(row, RejectedRow) else ready(row))
        size += _size(row)
        if len(batch) == most or size > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(row: ImportedRow | RejectedRow) -> int:
    """Characters, about."""
    if isinstance(row, RejectedRow):
        return len(row.raw)
    payload = len(str(row.payload)) if row.payload else 0
    return len(row.text) + sum([len(one.text) for one in row.responses]) + payload


def _beside(wanted: Wanted) -> Generator[int | Batch, None, None]:
    """As `_parts`, from a second process, which is at most two batches ahead: the pipe between them is short.

    A thread takes the next part from the pipe while the database works on this one. It is a plain one, since an
    executor takes no work once the first thread has ended, as it has while a worker is stopped at once.
    """
    ours, theirs = Pipe()
    command = [sys.executable, "-c", "from annotation.feeding import serve; serve()", str(theirs.fileno())]
    with ours, theirs:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT)
        theirs.close()  # so that its end is seen here
        asked: Asked = SimpleQueue()
        beside = Thread(target=_take, args=(ours, process, asked), name="feed", daemon=True)
        beside.start()
        try:
            with suppress(ConnectionError):  # it is gone already, which the next look says
                ours.send(wanted)
            coming = _ask(asked)
            while (part := coming.result()) is not None:
                coming = _ask(asked)
                yield part
        finally:
            process.kill()  # which ends the wait of the thread too
            process.wait()
            asked.put(None)
            beside.join()


def _ask(asked: Asked) -> Coming:
    coming: Coming = Future()
    asked.put(coming)
    return coming


def _take(parts: Connection, process: subprocess.Popen[bytes], asked: Asked) -> None:
    """Take a part for each that is asked for, until None is."""
    while coming := asked.get():
        try:
            coming.set_result(_next(parts, process))
        except BaseException as error:  # for whoever waits
            coming.set_exception(error)


def _next(parts: Connection, process: subprocess.Popen[bytes]) -> int | Batch | None:
    """What the second process gives next, None at the end. Raises StageError with what it could not read."""
    try:
        part: int | Batch | str | None = parts.recv()
    except (EOFError, OSError):  # also in the middle of a part
        code = process.wait()
        ended = f"The process that read the file ended too early (exit code {code})"
        raise StageError(f"{ended}. What was stored is kept. Resume the run.") from None
    if isinstance(part, str):
        raise StageError(part)
    return part


def serve() -> None:
    """What the second process does: answer one `Wanted` through the pipe whose number it was started with."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)  # meant for the first process, which may want to end its batch; see below
    gc.disable()  # rows have no cycles, and looking for some takes a fifth of the time
    # When the first process is gone, so is who would take the rows.
    with Connection(int(sys.argv[1])) as pipe, suppress(EOFError, ConnectionError):
        try:
            for part in _parts(pipe.recv()):
                pipe.send(part)
            pipe.send(None)
        except StageError as error:
            pipe.send(str(error))
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            pipe.send(f"{error.strerror}: {error.filename}. What was stored is kept. Mend it, then resume the run.")
