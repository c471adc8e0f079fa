"""Which names of labels may mean the same: `manage.py propose_clusters LABELS.json [--by exact|names|prompts]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from annotation.cluster_files import read_material, read_names
from annotation.clustering.grouping import blended, grouped
from annotation.clustering.proposers.base import Material, Pair
from annotation.clustering.proposing import LETTERS, By, evidence
from madsafe_web.core.management.commands.run_pipeline import EXIT_CONFIG
from madsafe_web.core.runs.errors import ConfigError


class Command(BaseCommand):
    help = "Propose groups of labels that may mean the same. Nothing is stored: people decide what is merged."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("labels", type=Path, metavar="LABELS.json", help="a JSON list of names")
        parser.add_argument(
            "--by", choices=list(LETTERS), help="evidence to use; by default names, or prompts with --links"
        )
        parser.add_argument(
            "--links", type=Path, help="rows {traceid, label}, JSONL, plain or .gz; goes with --prompts"
        )
        parser.add_argument("--prompts", type=Path, metavar="PATH", help="a file of prompts that import_corpus reads")
        parser.add_argument("--json", action="store_true", help="print the groups as a JSON list in the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            by, material = _asked(options)
        except ConfigError as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_CONFIG)
        pairs = list(evidence(material, by))
        groups = grouped(blended(pairs))
        if options["json"]:
            self.stdout.write(orjson.dumps(groups).decode())
            return
        for group in groups:
            self.stdout.write(f"{' | '.join(group)}  [{_why(group, pairs)}]")
        self.stdout.write(f"{len(groups):,} groups of {len(material.labels):,} names.")


def _asked(options: dict[str, Any]) -> tuple[By, Material]:
    links, prompts = options["links"], options["prompts"]
    by: By = options["by"] or ("prompts" if links or prompts else "names")
    names = read_names(options["labels"])
    if by != "prompts":
        return by, Material(names)
    if links is None or prompts is None:
        raise ConfigError(
            "Prompts are compared with --links, which label each has, and --prompts, their texts. Give both."
        )
    return by, read_material(names, links, prompts)


def _why(group: list[str], pairs: list[Pair]) -> str:
    """The evidence inside a group, as "A core, B spelling"."""
    inside = set(group)
    found = {f"{pair.letter} {pair.kind}" for pair in pairs if pair.first in inside and pair.second in inside}
    return ", ".join(sorted(found))
