"""The files of the var folder that belong to an installation: its folders, but nothing that lies beside them.

What lies at the top of the var folder is the database and the keys. The keys never enter a backup: whoever finds one
must not be able to read the secrets that stand in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from madsafe_web.core.backup.archive import PIECE, BackupError

NOT_KEPT = frozenset({"broker", "logs", "static", "backups", "catalogue"})
UNFINISHED = (".tmp", ".part")
MODELS = "models"
TRAINING, OUTPUT = "training", "output"


def walk(var: Path, *, without_models: bool) -> Iterator[Path]:
    """The files to keep, relative to the var folder, in a fixed order.

    Raises BackupError for a folder that is a link: what lies behind it would be missing without anybody knowing.
    """
    for folder, names, files in os.walk(var):
        here = Path(folder).relative_to(var)
        names[:] = sorted(name for name in names if not _left_out(here / name, without_models))
        for name in names:
            if (var / here / name).is_symlink():
                raise BackupError(
                    f"{here / name} is a link. Mount or bind the folder there instead, then back up again."
                )
        if here.parts:
            yield from (here / name for name in sorted(files) if _is_kept(var / here / name))


def _left_out(folder: Path, without_models: bool) -> bool:
    """Whether a folder is not entered: a working folder, or one of weights where those are not wanted."""
    parts = folder.parts
    if len(parts) == 1:
        return parts[0] in NOT_KEPT or (without_models and parts[0] == MODELS)
    return without_models and len(parts) == 3 and parts[0] == TRAINING and parts[2] == OUTPUT


def _is_kept(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.name.endswith(UNFINISHED)


def target(var: Path, name: str) -> Path:
    """Where a file of a backup goes. Raises BackupError for a name that leads elsewhere."""
    parts = Path(name).parts
    if len(parts) < 2 or Path(name).is_absolute() or ".." in parts or parts[0] in NOT_KEPT:
        raise BackupError(f"The backup holds a file '{name}', which has no place in a var folder.")
    path = var.joinpath(*parts)
    if not path.resolve().is_relative_to(var.resolve()):
        raise BackupError(f"'{name}' of the backup would be written outside the var folder, through a link there.")
    return path


def write(path: Path, content: IO[bytes]) -> None:
    """A new file with this content. Raises FileExistsError and other OSErrors; no half file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            while piece := content.read(PIECE):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise
