"""The command that serves an endpoint's model with vLLM: `manage.py vllm_command judge`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from madsafe_web.core.llm.endpoints import SERVED, endpoint_get
from madsafe_web.core.llm.vllm_command import commands
from madsafe_web.core.runs.errors import StageError


class Command(BaseCommand):
    help = "Print the `vllm serve` command of a served endpoint, one for each of its servers; lines with # say more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("endpoint")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 with a sentence for an endpoint that is not there or is not served."""
        try:
            row = endpoint_get(options["endpoint"])
        except StageError as error:
            raise CommandError(str(error)) from None
        if row.backend not in SERVED:
            raise CommandError(f"Endpoint '{row.name}' has the backend '{row.backend}': nobody serves it.")
        for command in commands(row):
            for line in (command.url, *command.notes):
                self.stdout.write(f"# {line}")
            self.stdout.write(command.text)
