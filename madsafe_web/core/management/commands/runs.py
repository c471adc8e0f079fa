"""What the pages of runs do, by command: `manage.py runs retry 12`, `manage.py runs budget 12 --calls 100`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from madsafe_web.core.llm.prices import MILLION
from madsafe_web.core.management.commands.run_pipeline import named
from madsafe_web.core.models import Run, RunNotice, User
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.deadline import parsed
from madsafe_web.core.runs.drafts import limits_of, run_budget, run_clone, run_deadline
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.notice_pages import notice_lines
from madsafe_web.core.runs.notices import notices_seen
from madsafe_web.core.runs.pages import works_by_rows
from madsafe_web.core.runs.retrying import run_reread, run_retry
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN

IN_WORK = "{run} is in work or was cancelled: pause it first."


class Command(BaseCommand):
    help = "Retry failed rows, read stored replies again, clone, set budgets, read notices. Workers do the work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")
        verbs = parser.add_subparsers(dest="verb", required=True, parser_class=ArgumentParser)
        retry = _of_a_run(verbs, "retry", "work on the failed rows once more")
        retry.add_argument("--kind", default="", help="only rows of this class of errors")
        _of_a_run(verbs, "reread", "read the stored replies of rows that were not understood, without any call")
        _of_a_run(verbs, "clone", "make a draft with the parameters and the budget of a run")
        budget = _of_a_run(verbs, "budget", "show the budget and deadline, or change what is named")
        for name in ("calls", "tokens", "seconds"):
            budget.add_argument(f"--{name}", help="a whole number, or none")
        budget.add_argument("--money", help="in the currency of the prices, or none")
        budget.add_argument("--deadline", help="a time, how long from now (90m, 8h, 2d), or none")
        notices = verbs.add_parser("notices", help="what the person of --as was told about runs")
        notices.add_argument("--seen", action="store_true", help="mark them as seen")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints one JSON object a line. Exit status 1 with a sentence when it cannot be done."""
        try:
            user = named(options["user"])
            if options["verb"] == "notices":
                self.notices(user, seen=options["seen"])
                return
            run = Run.objects.filter(pk=options["run"]).first()
            if run is None:
                raise ConfigError(f"There is no run {options['run']}.")
            work = {"retry": _retry, "reread": _reread, "clone": _clone, "budget": _budget}[options["verb"]]
            self.stdout.write(json.dumps(work(run, user, options)))
        except (ConfigError, StageError) as error:
            raise CommandError(str(error)) from None

    def notices(self, user: User | None, *, seen: bool) -> None:
        """The notices of a person, newest first. Raises ConfigError where nobody is named."""
        if user is None:
            raise ConfigError("Name the person whose notices they are by --as.")
        rows = RunNotice.objects.filter(user=user).select_related("run").defer("run__outputs").order_by("-pk")
        for line in notice_lines(rows):
            told = {name: getattr(line, name) for name in ("id", "run", "name", "state", "error", "seen")}
            self.stdout.write(json.dumps({**told, "at": line.at.isoformat()}, default=str))
        if seen:
            notices_seen(user=user)


def _of_a_run(verbs: Any, name: str, words: str) -> ArgumentParser:
    parser: ArgumentParser = verbs.add_parser(name, help=words)
    parser.add_argument("run", type=int)
    return parser


def _retry(run: Run, user: User | None, options: dict[str, Any]) -> dict[str, Any]:
    return _taken_back(run, run_retry(run=run, user=user, kind=options["kind"]))


def _reread(run: Run, user: User | None, options: dict[str, Any]) -> dict[str, Any]:
    return _taken_back(run, run_reread(run=run, user=user))


def _taken_back(run: Run, rows: int) -> dict[str, Any]:
    if not rows:
        raise StageError(f"{run} has no such failed row, or is in work.")
    return {"run": run.pk, "rows": rows}


def _clone(run: Run, user: User | None, options: dict[str, Any]) -> dict[str, Any]:
    if run.stage in WITH_A_PAGE_OF_THEIR_OWN:
        raise ConfigError(f"A run of '{run.stage}' begins on a page of its own.")
    return {"run": run_clone(run=run, user=user).pk}


@transaction.atomic
def _budget(run: Run, user: User | None, options: dict[str, Any]) -> dict[str, Any]:
    """The budget as it is now; what is named by the options is changed first. Raises ConfigError."""
    before = limits_of(run)
    money = None if before.cost is None else before.cost / MILLION
    now: dict[str, Any] = {"calls": before.calls, "tokens": before.tokens, "seconds": before.seconds, "money": money}
    new = {name: _number(name, options[name]) if options[name] is not None else now[name] for name in now}
    cost = None if new["money"] is None else round(new["money"] * MILLION)
    limits = Limits(new["calls"], new["tokens"], cost, new["seconds"])
    until = options["deadline"]
    when = None if until in (None, "none") else parsed(until)  # all is read before anything is changed
    changed = any(options[name] is not None for name in (*now, "deadline"))
    if changed and not works_by_rows(run):
        raise ConfigError(f"{run} does not work row by row, so there is no budget to keep to.")
    if changed and not run_budget(run=run, limits=limits, user=user):
        raise ConfigError(IN_WORK.format(run=run))
    if until is not None and not run_deadline(run=run, when=when, user=user):
        raise ConfigError(IN_WORK.format(run=run))
    run.refresh_from_db()
    return {"run": run.pk, **new, "deadline": run.deadline.isoformat() if run.deadline else None}


def _number(name: str, text: str) -> Any:
    """The number that was written, None for "none". Raises ConfigError."""
    if text == "none":
        return None
    try:
        number = float(text) if name == "money" else int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 10**12:
        raise ConfigError(f"--{name}: write a number from 0, or none.")
    return number
