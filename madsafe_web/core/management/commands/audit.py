"""Check the audit record, or write it out: `manage.py audit verify`, `manage.py audit export PATH`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from madsafe_web.core.audit import audit
from madsafe_web.core.auditing.checking import READ_AT_ONCE, as_jsonl, record_problems
from madsafe_web.core.models import AuditEvent
from madsafe_web.core.textio import atomic_write

MISSING_FOLDER = "There is no folder {folder}. Make it, or name another path."


class Command(BaseCommand):
    help = "Check that the audit record was never changed, or write it to a file."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("verify", help="exit 0 for a sound record, 1 with each problem for another one")
        export = actions.add_parser("export", help="write all events as JSONL, oldest first")
        export.add_argument("path", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "verify":
            self._verify()
        else:
            self._export(options["path"])

    def _verify(self) -> None:
        found = 0
        for problem in record_problems():
            self.stderr.write(problem)
            found += 1
        if found:
            sys.exit(1)
        self.stdout.write(f"The audit record is sound: {AuditEvent.objects.count()} events.")

    def _export(self, path: Path) -> None:
        if not path.parent.is_dir():
            self.stderr.write(MISSING_FOLDER.format(folder=path.parent))
            sys.exit(2)
        count = 0
        with atomic_write(path) as file:
            for line in as_jsonl(AuditEvent.objects.order_by("sequence").iterator(READ_AT_ONCE)):
                file.write(line)
                count += 1
        audit(None, "audit.export", "audit", query={}, rows=count, format="jsonl")
        self.stdout.write(f"{count} events written to {path}.")
