"""Corrected rows, made ready for the importer that rejected them: an archive of JSONL, by the files the rows were in.

The importer tells subject and split by the name of a file and counts rows from its beginning, so each row stands in a
member of the name it came with (`_file`), in the line of its number (`_row`). A hidden member says which
rejected rows they were.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson
from django.core.files.uploadedfile import UploadedFile

from annotation.importers._columns import columns_of
from annotation.models import Corpus
from madsafe_web.core.models import Chunk
from madsafe_web.core.textio import CORRECTED, Member, Record, read_jsonl

ABOUT = frozenset({"_file", "_row", "_field", "_reason", "_raw", "_more"})  # what the download adds to a row
_LONGEST_NAME = 180  # characters
_LAST_ROW = 10_000_000  # a row said to come later takes the next free line
_IN_MEMORY = 8 * 2**20
_HOW_ROWS_LIE = frozenset({"records", "header", "lines"})
_ALWAYS = (1980, 1, 1, 0, 0, 0)  # the same rows give the same archive, and so the same hash

_ROWS = ".rows.jsonl"  # the hidden member: name of the file and number of each row that says its own

Place = tuple[int, int, bool]  # number of the row, offset of its line in the file, whether it says its number


def corrected_rows(file: UploadedFile[bytes], file_name: str) -> UploadedFile[bytes]:
    """The rows of a JSONL file without what the download told about them; `file_name` is for rows that name no file."""
    out = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        found = _places(file, file_name)
        for name, places in found.items():
            with archive.open(zipfile.ZipInfo(f"{CORRECTED}{name}.jsonl", _ALWAYS), "w", force_zip64=True) as member:
                _write(member, file, sorted(places))
        told = [orjson.dumps([name, row]) for name, places in found.items() for row, _, said in places if said]
        archive.writestr(zipfile.ZipInfo(_ROWS, _ALWAYS), b"\n".join(told))
    size = out.tell()
    out.seek(0)
    return UploadedFile(out, f"{Path(file.name or '').stem[:80]}.zip", "application/zip", size)


def corrected_places(path: Path) -> set[tuple[str, int]]:
    """Name (see `place_of`) and number of the rejected rows that an archive of corrected rows stands for."""
    try:
        records = list(read_jsonl(Member(_ROWS, path, _ROWS)))
    except KeyError:  # an archive that says nothing of them
        return set()
    return {(record.value[0], record.value[1]) for record in records if isinstance(record, Record)}


def row_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """How the columns of corrected rows are read: as before, but for how the rows lay in their file."""
    prompt = {"prompt": "1"} if mapping.get("lines") else {}
    return {**prompt, **{name: value for name, value in mapping.items() if name not in _HOW_ROWS_LIE}}


def answers_of(corpus: Corpus) -> str:
    """The file of answers that the newest import into the corpus was given, "" for none."""
    chunks = Chunk.objects.filter(run__stage="import", cursor__corpus=corpus.pk).select_related("run").order_by("-pk")
    declared = (chunk.run.params["files"][int(chunk.subjects[0])] for chunk in chunks)
    return next((str(one["answers"]) for one in declared if one.get("answers")), "")


def _places(file: UploadedFile[bytes], file_name: str) -> dict[str, list[Place]]:
    """Where the rows of each file lie in the uploaded one."""
    found: dict[str, list[Place]] = defaultdict(list)
    last: dict[str, int] = defaultdict(int)
    for offset, line in _lines(file):
        value = _loaded(line)
        about = value if isinstance(value, dict) else {}
        name, row = place_of(str(about.get("_file") or file_name)), about.get("_row")
        said = row if isinstance(row, int) and 0 < row < _LAST_ROW else 0
        last[name] = said or last[name] + 1
        found[name].append((last[name], offset, said > 0))
    return found


def _lines(file: UploadedFile[bytes]) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    offset = 0
    while line := file.readline():
        if line.strip(b"\xef\xbb\xbf \t\r\n"):
            yield offset, line
        offset += len(line)


def _write(member: IO[bytes], file: UploadedFile[bytes], places: list[Place]) -> None:
    number = 1
    for row, offset, _ in places:
        file.seek(offset)
        line = file.readline().removeprefix(b"\xef\xbb\xbf").strip()
        value = _loaded(line)
        if isinstance(value, dict):
            line = orjson.dumps(bare_row(value))
        member.write(b"\n" * max(0, row - number) + line + b"\n")
        number = max(row, number) + 1


def bare_row(value: dict[str, Any]) -> dict[str, Any]:
    """A row by its own names; what was no object and has no names is read by the numbers of its columns."""
    row = {name: part for name, part in value.items() if name not in ABOUT}
    if row or "_raw" not in value:
        return row
    raw = value["_raw"]
    inner = _loaded(raw) if isinstance(raw, str) else raw
    return columns_of(inner if isinstance(inner, dict) else raw)


def _loaded(text: bytes | str) -> Any:
    try:
        return orjson.loads(text.removeprefix(b"\xef\xbb\xbf") if isinstance(text, bytes) else text)
    except orjson.JSONDecodeError:
        return None


def place_of(name: str) -> str:
    """A file's name as it may stand in an archive: no hidden part, no way out of it."""
    parts = re.sub(r"[\0-\x1f\\:]", "_", name)[-_LONGEST_NAME:].split("/")
    return "/".join(filter(None, (part.lstrip(".") for part in parts))) or "rows"
