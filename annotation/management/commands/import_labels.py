"""Import labels: `manage.py import_labels PATH [--corpus ID] [--json]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from annotation.label_import import label_import, rejected, summary
from annotation.management.commands.import_corpus import PAUSED, stoppable
from madsafe_web.core.management.commands.run_pipeline import (
    DATABASE_GONE,
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_PAUSED,
    RESTING,
    named,
)
from madsafe_web.core.models import Run
from madsafe_web.core.runs import chain, service
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.progress import progress


class Command(BaseCommand):
    help = "Import labels, or labels of a corpus's prompts; called again, it goes on where it stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="JSONL, plain or .gz: rows of a label, or of a traceid and a label")
        parser.add_argument("--corpus", type=int, metavar="ID", help="whose source ids the field traceid names")
        parser.add_argument("--json", action="store_true", help="print a JSON summary as the last line")
        parser.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")

    def handle(self, *args: Any, **options: Any) -> None:
        with stoppable():
            self._handle(options)

    def _handle(self, options: dict[str, Any]) -> None:
        try:
            call_command("migrate", verbosity=0)
            user = named(options["user"])
            run = label_import(path=options["path"], corpus=options["corpus"], user=user)
            self._work(run, user)
        except ConfigError as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_CONFIG)
        except OperationalError as error:
            self.stderr.write(DATABASE_GONE.format(error=error))
            sys.exit(EXIT_FAILED)
        for line in rejected(run):
            self.stderr.write(line)
        if options["json"]:
            self.stdout.write(orjson.dumps(summary(run)).decode())
        sys.exit(RESTING.get(run.state, EXIT_PAUSED))

    def _work(self, run: Run, user: Any) -> None:
        if run.state == Run.State.DONE:
            self.stderr.write(f"This file was imported already, by {run}.")
            return
        try:
            chain.work_to_end(run, self._say, user)
        except KeyboardInterrupt:
            service.run_pause(run, user)
            self.stderr.write(PAUSED)
        run.refresh_from_db()
        if run.error:
            self.stderr.write(f"import: {run.error}")

    def _say(self, run: Run) -> None:
        now = progress(run)
        rows = f"{now.read:,}" + (f" of {now.total:,}" if now.total else "")
        if now.read or run.state == Run.State.DONE:
            self.stderr.write(f"{rows} rows ({now.kept:,} new, {now.duplicate:,} repeated, {now.rejected:,} rejected)")
