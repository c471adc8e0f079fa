"""The data files of a folder or archive, with those that must not be opened named beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from madsafe_web.core.textio import sources
from madsafe_web.core.textio.records import BadFile, is_unicode, kept_raw
from madsafe_web.core.textio.sources import (
    CORRECTED,
    Member,
    Source,
    data_names,
    is_about,
    is_corrected,
    is_junk,
    is_zip,
    refuse_entry,
)

_ARCHIVES = frozenset({".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})
_NO_DATA = "its ending is none of those of data"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of an archive or folder that is not opened. `reason` is a clause without a full stop."""

    name: str
    reason: str


def data_members(path: Path) -> tuple[list[Source], list[Refused]]:
    """Data files in their order, and those refused: unsafe, encrypted, nested, links, or too large when unpacked.

    A plain file, or an archive of one, stands for itself. Hidden files, __MACOSX and, among several files, those
    without an ending of data are passed over. Raises BadFile when there is nothing to read.
    """
    if path.is_dir():
        members, refused = _of_folder(path)
    elif is_zip(path):
        members, refused = _of_zip(path)
        if len(members) == 1 and not refused and not is_corrected(members[0]):
            return [path], []
    else:
        return [path], []
    if members:
        return list(members), refused
    problem = refused[0].reason if refused else "there is no data file (JSONL, JSON, CSV, Parquet or text) in it"
    raise BadFile(path, problem, "Unpack it and import each data file by itself")


def passed_over(path: Path) -> list[Refused]:
    """Files of an archive or folder that are no data by their endings, so that nobody takes them for read.

    Hidden files, __MACOSX, and what is about the data (README, LICENSE) are left out. Raises BadFile as `data_members`.
    """
    if not path.is_dir():
        return _left_out([entry.filename for entry in sources.zip_entries(path)]) if is_zip(path) else []
    found = dict(_walk(path))
    left = _left_out(sorted(found))
    for name in _wanted(sorted(found)):
        if found[name].is_file() and not found[name].is_symlink():
            with suppress(BadFile):  # a damaged archive is refused by name
                left += [replace(one, name=f"{name}/{one.name}") for one in passed_over(found[name])]
    return left


def _left_out(names: list[str]) -> list[Refused]:
    wanted = set(_wanted(names))
    return [Refused(kept_raw(name), _NO_DATA) for name in names if name not in wanted and not is_about(name)]


def _of_zip(path: Path, prefix: str = "") -> tuple[list[Member], list[Refused]]:
    entries = {entry.filename: entry for entry in sources.zip_entries(path)}
    members: list[Member] = []
    refused: list[Refused] = []
    left = sources.MAX_TOTAL
    for name in _wanted(list(entries)):
        entry = entries[name]
        try:
            refuse_entry(path, entry)
        except BadFile as error:
            refused.append(Refused(prefix + name, error.problem))
            continue
        if _suffix(name) in _ARCHIVES:
            refused.append(Refused(prefix + name, "there is an archive inside the archive"))
        elif entry.file_size > left:  # zipfile never gives more than the declared size
            refused.append(Refused(prefix + name, f"the archive unpacks to more than {sources.MAX_TOTAL:,} bytes"))
        else:
            left -= entry.file_size
            members.append(Member(prefix + _plain(name), path, name))
    return members, refused


def _plain(name: str) -> str:
    """The name of a member, of corrected rows that of the file they were in."""
    return name.removeprefix(CORRECTED).removesuffix(".jsonl") if name.startswith(CORRECTED) else name


def _of_folder(folder: Path) -> tuple[list[Member], list[Refused]]:
    members: list[Member] = []
    refused: list[Refused] = []
    found = dict(_walk(folder))
    for name in _wanted(sorted(found)):
        path = found[name]
        if not is_unicode(name):
            refused.append(Refused(kept_raw(name), "its name is no text"))
        elif path.is_symlink() or not path.is_file():
            refused.append(Refused(name, "it is a link or no plain file"))
        elif is_zip(path):
            inside = _of_zip_in_folder(path, f"{name}/")
            members += inside[0]
            refused += inside[1]
        else:
            members.append(Member(name, path))
    return members, refused


def _of_zip_in_folder(path: Path, prefix: str) -> tuple[list[Member], list[Refused]]:
    try:
        return _of_zip(path, prefix)
    except BadFile as error:
        return [], [Refused(prefix.rstrip("/"), error.problem)]


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for parent, folders, files in os.walk(folder):  # never follows links
        folders[:] = sorted(name for name in folders if not is_junk(name))
        for name in files:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if is_junk(relative):
                continue
            count += 1
            if count > sources.MAX_ENTRIES:
                raise BadFile(folder, f"the folder has more than {sources.MAX_ENTRIES:,} files", "Import a part of it")
            yield relative, path


def _wanted(names: list[str]) -> list[str]:
    """Data files and archives; the archives are told apart later, so that they can be refused by name."""
    data = data_names(names)
    archives = [name for name in names if len(names) > 1 and _suffix(name) in _ARCHIVES]
    keep = {*data, *archives}
    return [name for name in names if name in keep]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
