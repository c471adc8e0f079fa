"""Rows of a Parquet file, in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import IO, Any, cast

from madsafe_web.core.textio import sources
from madsafe_web.core.textio.records import (
    MAX_ITEM,
    TOO_LARGE,
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    kept_value,
    value_defect,
)
from madsafe_web.core.textio.sources import Member, Source, open_bytes

_MAGIC = b"PAR1"
_BATCH_BYTES = 8 * 1024 * 1024
_MOST_ROWS = 1000  # a batch
_ADVICE = "Fetch the file again, or save it as JSONL"


def is_parquet(source: Source) -> bool:
    """True when the first bytes of the unpacked content are Parquet's. Raises as `open_bytes` does."""
    return next(open_bytes(source), b"")[:4] == _MAGIC


def read_parquet(source: Source) -> Iterator[Record | BadRecord]:
    """One record a row, {column: value}; dates and decimals come as text, bytes as the text they are in UTF-8.

    A packed file is unpacked into a nameless temporary file, because Parquet is read from its end.
    Raises OtherShape when it is no Parquet, BadFile when it is damaged or unpacks to more than 2 GB.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    with _seekable(source) as raw:
        number = 0
        try:
            table = ParquetFile(raw)
            batch_rows = _batch_rows(source, table.metadata)
            for batch in table.iter_batches(batch_size=batch_rows, use_threads=False):
                for value in batch.to_pylist():
                    number += 1
                    yield _row(number, value)
        except (ArrowException, OSError, UnicodeDecodeError) as error:
            raise BadFile(source, "the Parquet data is damaged", _ADVICE, f"row {number + 1:,}") from error


@contextmanager
def _seekable(source: Source) -> Iterator[IO[bytes]]:
    chunks = open_bytes(source)
    first = next(chunks, b"")
    if first[:4] != _MAGIC:
        raise OtherShape(source, "it is no Parquet file", "Give it its right ending")
    path = source.path if isinstance(source, Member) else source
    with path.open("rb") as plain:
        if plain.read(4) == _MAGIC:
            plain.seek(0)
            yield plain
            return
    with tempfile.TemporaryFile() as raw:
        for chunk in chain([first], chunks):
            raw.write(chunk)
        raw.seek(0)
        yield raw


def _batch_rows(source: Source, metadata: Any) -> int:  # pyarrow has no types
    """Rows of a batch, fewer where they are large. Parquet says how much its columns unpack to."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > sources.MAX_TOTAL:
        limit = f"{sources.MAX_TOTAL // 1024**3} GB"
        raise BadFile(source, f"it unpacks to more than {limit}", "Split it into smaller files")
    largest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(_MOST_ROWS, _BATCH_BYTES // max(1, largest)))


def _row(number: int, value: dict[str, Any]) -> Record | BadRecord:
    plain = cast(dict[str, Any], _plain(value))
    if sum(len(part) for part in plain.values() if isinstance(part, str)) > MAX_ITEM:
        return BadRecord(number, "", TOO_LARGE)
    field, reason = value_defect(plain)
    return BadRecord(number, field, reason, kept_value(plain)) if reason else Record(number, plain)


def _plain(value: object) -> object:
    """The JSON value of what Arrow gives; floats that JSON does not know become None."""
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
