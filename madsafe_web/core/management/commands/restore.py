"""An installation from a backup, in an empty database and var folder: `manage.py restore PATH`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from madsafe_web.core.backup.archive import BackupError
from madsafe_web.core.backup.restoring import restore


class Command(BaseCommand):
    help = "Bring back what `manage.py backup` wrote. Stop web server and workers first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file of the backup")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            done = restore(options["path"])
        except BackupError as error:
            raise CommandError(f"{error} Nothing was restored.") from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"Nothing was restored: {error}") from error
        self.stdout.write(f"{done.rows} rows and {done.files} files restored in {time.monotonic() - began:.1f} s.")
        for remark in done.remarks:
            self.stdout.write(remark)
        for problem in done.problems:
            self.stderr.write(f"The audit record is not sound: {problem}")
        if done.problems:
            sys.exit(1)
