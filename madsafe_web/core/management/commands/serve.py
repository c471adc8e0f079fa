"""Serve an installation on this machine: web and worker as children that end together. `make run` calls it."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from madsafe_web.core.supervise import Child, Supervisor


def web_command() -> list[str]:
    """The web server's command line."""
    return [
        *(sys.executable, "-m", "gunicorn", "madsafe_web.wsgi"),
        *("--bind", f"{settings.SITE.hostname}:{settings.SITE.port or 80}"),
        *("--preload", "--workers", "2", "--threads", "4", "--log-level", "warning"),
    ]


def worker_command() -> list[str]:
    """The worker's command line. Threads, not forks: there is no pool child that could be lost."""
    return [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "madsafe_web.celery", "worker"),
        *("--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle"),
    ]


class Command(BaseCommand):
    help = "Serve the site with a worker until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOOPBACK:
            raise CommandError(
                f"MADSAFE_URL is {settings.MADSAFE_URL}: this command serves a loopback address only. "
                "For another one put gunicorn behind a web server."
            )
        self._check_port()
        call_command("migrate", verbosity=0)
        # Training and scoring in the worker are many small operations: more threads make them slower.
        worker_env = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        children = [Child("web", web_command()), Child("worker", worker_command(), worker_env)]
        self.stdout.write(f"MadSafe is served at {settings.MADSAFE_URL} - stop it with Ctrl-C.")
        self.stdout.flush()
        sys.exit(Supervisor(children, self.stderr.write).run())

    def _check_port(self) -> None:
        address = (settings.SITE.hostname, settings.SITE.port or 80)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise CommandError(
                    f"{settings.MADSAFE_URL} is in use or cannot be bound ({error.strerror}). "
                    "Stop what runs there, or set MADSAFE_URL to another port."
                ) from error
