"""The whole method on the bundled sample, then the site: `make demo`. Called again it goes on, or says all is done."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from evaluation.demo_summary import Summary, summary_of
from madsafe_web.core.management.commands.run_pipeline import RESTING, Teller
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import chain
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.textio import atomic_write

CONFIG = Path("examples", "sample.yaml")
SUMMARY = Path("demo", "summary.json")


class Command(BaseCommand):
    help = "Run the whole method on the bundled sample and serve the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="stop after the run")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        call_command("migrate", verbosity=0)
        try:
            runs = chain.prepare(chain.read(settings.BASE_DIR / CONFIG))
        except ConfigError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        if all(run.state == Run.State.DONE for run in runs):
            self.stdout.write("All stages of the sample are done already.")
        last = chain.work_through(runs, Teller(self.stdout, len(runs)).say)
        if last.state != Run.State.DONE:
            self.stderr.write(
                f"{last.stage}: {last.error or last.get_state_display()} Call `make demo` again to go on."
            )
            sys.exit(RESTING[last.state])
        self._report(summary_of(runs, time.monotonic() - started))
        for role, name, password in accounts():
            self.stdout.write(f"{role} {name} {password}")
        self.stdout.flush()
        if not options["no_serve"]:
            call_command("serve")

    def _report(self, summary: Summary) -> None:
        path = Path(settings.VAR_DIR) / SUMMARY
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(orjson.dumps(summary.facts, option=orjson.OPT_INDENT_2))
        self.stdout.write(summary.screen())
        self.stdout.write(f"Written to {path}")


def accounts() -> list[tuple[str, str, str]]:
    """One account a role, as (role, user name, password).

    Who has signed in keeps the password, which is then not shown; the others get a new one each time.
    """
    rows = []
    for role in User.Role.values:
        user, _ = User.objects.get_or_create(username=role, defaults={"role": role})
        rows.append((role, user.username, new_password(user) if user.last_login is None else "(unchanged)"))
    return rows


def new_password(user: User) -> str:
    """Give the user a random password."""
    password = secrets.token_hex(8)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password
