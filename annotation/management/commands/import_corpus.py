"""Import a file as a corpus: `manage.py import_corpus auto rows.jsonl [--name N] [--json]`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from annotation.loading import declare, import_run, importers, summary
from annotation.models import Corpus
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

PAUSED = "Paused. What was imported is kept; the same command goes on from there."


class Command(BaseCommand):
    help = "Import a file as a corpus; called again, it goes on where it stopped, and brings no row twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("format", help="name of a format, or auto to tell it from the content")
        parser.add_argument("path", type=Path, help="the file, plain, .gz or .zip, or a folder of a dataset")
        parser.add_argument("--name", default="", help="name of the corpus; by default that of the file")
        parser.add_argument("--role", default="", choices=Corpus.Role.values, help="by default that of the format")
        parser.add_argument("--answers", type=Path, help="the answers of a benchmark that keeps them in another file")
        parser.add_argument("--dev", type=Path, help="the examples of a benchmark that keeps them in another file")
        parser.add_argument("--split", default="", help="train, test … to be kept with every row")
        parser.add_argument("--mapping", type=Path, metavar="FILE.json", help="which columns hold what, for generic")
        parser.add_argument("--json", action="store_true", help="print a JSON summary as the last line")
        parser.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")

    def handle(self, *args: Any, **options: Any) -> None:
        with stoppable():
            self._handle(options)

    def _handle(self, options: dict[str, Any]) -> None:
        try:
            call_command("migrate", verbosity=0)
            user = named(options["user"])
            files = {name: options[name] for name in ("answers", "dev", "mapping")}
            words = {name: options[name] for name in ("name", "role", "split")}
            declared = declare(options["format"], options["path"], **files, **words)
            if importer := importers().get(declared["format"]):
                for told in importer.not_read(options["path"]):
                    self.stderr.write(f"{told}.")
            run = import_run(declared=declared, user=user, mapped=options["mapping"] is not None)
            self._work(run, user)
        except ConfigError as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_CONFIG)
        except OperationalError as error:
            self.stderr.write(DATABASE_GONE.format(error=error))
            sys.exit(EXIT_FAILED)
        if options["json"]:
            self.stdout.write(orjson.dumps(summary(run)).decode())
        sys.exit(RESTING.get(run.state, EXIT_PAUSED))

    def _work(self, run: Run, user: Any) -> None:
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
        rate = f", {now.rate:,.0f} rows/s" if now.rate else ""
        left = f", {int(now.left.total_seconds()):,} s left" if now.left else ""
        facts = f" ({now.kept:,} imported, {now.duplicate:,} duplicates, {now.rejected:,} rejected)"
        if now.read or run.state == Run.State.DONE:
            self.stderr.write(f"{rows} rows{facts}{rate}{left}")


@contextmanager
def stoppable() -> Iterator[None]:
    """While entered, a call to end (SIGTERM) pauses the run as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
