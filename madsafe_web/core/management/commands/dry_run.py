"""Try a stage on a few rows: `manage.py dry_run label --params '{"endpoint": "judge"}' --rows 20`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from madsafe_web.core.models import Run
from madsafe_web.core.runs import dry, service, worker
from madsafe_web.core.runs.errors import ConfigError

CHARACTERS = 200  # of a reply in one line


class Command(BaseCommand):
    help = "Ask a few rows of a stage, write none of them, and estimate calls, tokens, cost and time of the whole run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stage")
        parser.add_argument("--params", default="{}", help="the stage's parameters as a JSON object")
        parser.add_argument("--rows", type=int, default=20, help=f"how many rows are asked, 1 to {dry.MOST_ROWS}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 with a sentence when it cannot be done; the last line is the estimate as JSON."""
        try:
            values = {"stage": options["stage"], "values": _object(options["params"]), "rows": options["rows"]}
            dry.check(values)
            run = service.run_create(stage_name=dry.STAGE, values=values)
        except ConfigError as error:
            raise CommandError(str(error)) from None
        service.run_start(run)
        run = worker.work_on(run.pk)
        if run.state != Run.State.DONE:
            raise CommandError(run.error or f"{run} is {run.state}.")
        for row in run.outputs["rows"]:
            said = " | ".join(" ".join((call["error"] or call["reply"]).split())[:CHARACTERS] for call in row["calls"])
            self.stdout.write(f"{row['key']}: {row['outcome']} {row['message']} {said}".rstrip())
        told = ("total", "shares", "costs", "seconds")
        self.stdout.write(json.dumps({"run": run.pk} | {name: run.outputs[name] for name in told}))


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError("--params must be a JSON object.")
    return found
