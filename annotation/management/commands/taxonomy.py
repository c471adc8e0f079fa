"""The taxonomy as a file: `manage.py taxonomy show`, `export FILE.json`, `import FILE.json [--rename OLD=NEW]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import Taxonomy
from annotation.selectors import categories, taxonomy_newest
from annotation.taxonomies import TaxonomyRefused, taxonomy_json, taxonomy_make, taxonomy_read
from madsafe_web.core.management.commands.run_pipeline import named
from madsafe_web.core.runs.errors import ConfigError, StageError


class Command(BaseCommand):
    help = "Show the categories, write them to a file, or make the next version of them from a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("show", "export", "import"))
        parser.add_argument("file", nargs="?", type=Path, help="of export and import")
        parser.add_argument("--version-number", type=int, metavar="N", help="of show and export; by default the newest")
        parser.add_argument("--note", default="", help="of import: why; by default that of the file")
        parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="labels follow a new code")
        parser.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] != "show" and options["file"] is None:
            raise CommandError("Name the file.")
        call_command("migrate", verbosity=0)
        try:
            getattr(self, f"_{options['what']}")(options)
        except (TaxonomyRefused, StageError, ConfigError, OSError) as error:
            raise CommandError(str(error)) from error

    def _taxonomy(self, options: dict[str, Any]) -> Taxonomy:
        number = options["version_number"]
        found = Taxonomy.objects.filter(version=number).first() if number is not None else taxonomy_newest()
        if found is None:
            raise CommandError(f"There is no version {number} of the taxonomy.")
        return found

    def _show(self, options: dict[str, Any]) -> None:
        taxonomy = self._taxonomy(options)
        self.stdout.write(f"{taxonomy} {taxonomy.name}  sha256 {taxonomy.sha256}")
        for row in categories(taxonomy):
            self.stdout.write(f"{row.position:>2} {row.code:<8} {row.name_en} · {row.name_zh}")

    def _export(self, options: dict[str, Any]) -> None:
        options["file"].write_bytes(taxonomy_json(self._taxonomy(options)))

    def _import(self, options: dict[str, Any]) -> None:
        name, note, rows = taxonomy_read(options["file"].read_bytes())
        renamed = dict(one.partition("=")[::2] for one in options["rename"])
        user, note = named(options["user"]), options["note"] or note
        made = taxonomy_make(user=user, name=name, note=note, rows=rows, renamed=renamed)
        self.stdout.write(f"Version {made.version} of the taxonomy is made: {len(rows)} categories.")
