"""Whether this installation works, for systemd, containers and people: `manage.py health [--strict] [--worker]`."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.db.models.functions import Now

from madsafe_web.core import health
from madsafe_web.core.models import WorkerPulse


class Command(BaseCommand):
    help = "Say what works. Exit status 0: the site can be used; 1: it cannot, or what an option asks does not hold."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--strict", action="store_true", help="fail too where the site is only degraded")
        parser.add_argument("--worker", action="store_true", help="ask only whether a worker of this host is heard")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["worker"]:
            heard = worker_of_this_host()
            self.stdout.write("worker: ok" if heard else "worker: no worker of this host is heard")
            sys.exit(0 if heard else 1)
        found = health.look()
        for name, said in found.checks.items():
            self.stdout.write(f"{name}: {said}")
        sys.exit(0 if found.status == health.OK or (found.status == "degraded" and not options["strict"]) else 1)


def worker_of_this_host() -> bool:
    """Whether one was heard within the last half minute; False too where the database is away."""
    since = Now() - timedelta(seconds=health.SILENT_S)
    try:
        return WorkerPulse.objects.filter(name__startswith=f"{socket.gethostname()}/", at__gte=since).exists()
    except DatabaseError:
        return False
