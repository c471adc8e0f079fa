"""Versions of the merge map: `manage.py merge_map apply|diff|export|import … [--json]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from annotation.merge.diffs import map_diff
from annotation.merge.exports import KINDS, map_export
from annotation.merge.imports import Taken, file_rows, map_apply, map_import
from annotation.merge.states import StaleDecision
from annotation.models import MergeMap
from madsafe_web.core.management.commands.run_pipeline import (
    DATABASE_GONE,
    EXIT_CONFIG,
    EXIT_FAILED,
    named,
)
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.textio import BadFile, atomic_write

NONE = "0"  # stands for no map at all in a diff
MOST_TOLD = 20


class Command(BaseCommand):
    help = "Compare, write and read versions of the merge map."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        apply = verbs.add_parser("apply", help="decide undecided labels of the draft as a version or a file does")
        apply.add_argument("source", help="the number of a published version, or a file of a map")
        diff = verbs.add_parser("diff", help="what changed from one version to another")
        diff.add_argument("old", help=f"the number of a version; {NONE} for none")
        diff.add_argument("new", help="the number of a version")
        export = verbs.add_parser("export", help="write a version to a file, or to the standard output")
        export.add_argument("version")
        export.add_argument("--format", choices=KINDS, default="", help="by default that of the file's name, else csv")
        export.add_argument("--out", type=Path, metavar="FILE")
        read = verbs.add_parser("import", help="make the draft say what a file of a map says, in one step")
        read.add_argument("file", type=Path)
        for one in (apply, diff, export, read):
            one.add_argument("--json", action="store_true", help="print a JSON summary as the last line")
            one.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")

    def handle(self, *args: Any, **options: Any) -> None:
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "apply": self._apply,
            "diff": self._diff,
            "export": self._export,
            "import": self._import,
        }
        try:
            call_command("migrate", verbosity=0)
            options["user"] = named(options["user"])
            verbs[options["verb"]](options)
        except (ConfigError, BadFile) as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_CONFIG)
        except StaleDecision as error:
            self.stderr.write(f"Somebody decided about “{error}” meanwhile. Nothing was changed; try again.")
            sys.exit(EXIT_FAILED)
        except StageError as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_FAILED)
        except OperationalError as error:
            self.stderr.write(DATABASE_GONE.format(error=error))
            sys.exit(EXIT_FAILED)

    def _apply(self, options: dict[str, Any]) -> None:
        source = options["source"]
        taken = map_apply(user=options["user"], source=_version(source) if source.isdecimal() else _file(Path(source)))
        self._tell(taken, options)

    def _import(self, options: dict[str, Any]) -> None:
        path = _file(options["file"])
        self._tell(map_import(user=options["user"], rows=file_rows(path), name=path.name), options)

    def _tell(self, taken: Taken, options: dict[str, Any]) -> None:
        for one in taken.refused[:MOST_TOLD]:
            self.stderr.write(str(one))
        self.stderr.write(f"{taken.read:,} rows, {taken.changed:,} labels changed, {len(taken.refused):,} rows refused")
        if options["json"]:
            self.stdout.write(orjson.dumps(taken.told()).decode())

    def _diff(self, options: dict[str, Any]) -> None:
        old = None if options["old"] == NONE else _version(options["old"])
        found = map_diff(old, _version(options["new"]))
        if options["json"]:
            self.stdout.write(orjson.dumps(found.told()).decode())
            return
        for row in found.rows:
            name = f"{row.name} ({row.prompts:,})"
            themes = f" · “{row.theme_before}” → “{row.theme_after}”" if row.theme_before != row.theme_after else ""
            self.stdout.write(f"{row.kind:10} {name}: {row.before or '–'} → {row.after or '–'}{themes}")
        self.stdout.write(f"{len(found.rows):,} labels, {found.prompts:,} prompts")

    def _export(self, options: dict[str, Any]) -> None:
        merge_map, out = _version(options["version"]), options["out"]
        kind = options["format"] or ("json" if out and out.suffix == ".json" else "csv")
        pieces = map_export(user=options["user"], merge_map=merge_map, kind=kind)
        if out is None:
            for piece in pieces:
                self.stdout.write(piece.decode(), ending="")
            return
        with atomic_write(out) as file:
            file.writelines(pieces)
        if options["json"]:
            told = {"version": merge_map.version, "sha256": merge_map.sha256, "labels": merge_map.entries.count()}
            self.stdout.write(orjson.dumps({**told, "file": str(out)}).decode())


def _version(number: str) -> MergeMap:
    """The version of this number, drafts too. Raises ConfigError."""
    found = MergeMap.objects.filter(version=int(number)).first() if number.isdecimal() else None
    if found is None:
        known = ", ".join(str(one) for one in MergeMap.objects.order_by("version").values_list("version", flat=True))
        raise ConfigError(f"There is no version {number} of the merge map. There are: {known or 'none'}.")
    return found


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"There is no file {path}. Correct the path.")
    return path
