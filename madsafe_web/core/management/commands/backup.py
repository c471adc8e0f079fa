"""Everything but the keys in one file, while the site runs: `manage.py backup PATH [--without-models]`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from madsafe_web.core.backup.archive import BackupError
from madsafe_web.core.backup.making import backup


class Command(BaseCommand):
    help = "Write the rows of the database and the files of the var folder into one new file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file to write; it must not exist")
        parser.add_argument("--without-models", action="store_true", help="leave out models and training outputs")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        path = options["path"].absolute()
        try:
            made = backup(path, without_models=options["without_models"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{path} was not written: {error}") from error
        seconds = time.monotonic() - began
        self.stdout.write(
            f"{path}: {made.rows} rows, {made.files} files, {made.bytes / 2**20:.1f} MB in {seconds:.1f} s. "
            f"Its manifest is {made.sha256}."
        )
        self.stdout.write("The secret key and the encryption keys are not in it: keep them in another place.")
