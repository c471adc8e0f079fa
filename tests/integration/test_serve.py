"""`manage.py serve`: pages over HTTP, a worker that is heard, children that come back, and an end without remains."""

from __future__ import annotations

import http.cookiejar
import re
import signal
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.helpers.installation import Installation, Running, free_port, installed, wait_until

pytestmark = pytest.mark.slow
PASSWORD = "a password for tests only"
ACCOUNT = f"""
from madsafe_web.core.models import User
User.objects.create_user("lead", password="{PASSWORD}", role="lead")
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A served installation."""

    installation: Installation
    command: Running
    url: str

    def status(self, path: str) -> int:
        """The status of a page without signing in; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def ready(self) -> None:
        wait_until(lambda: self.status("/accounts/login/") == 200, 40, "the login page")

    def named(self, word: str) -> psutil.Process | None:
        """The child of the command whose command line holds a word."""
        for child in psutil.Process(self.command.process.pid).children():
            with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):  # ended, perhaps just now
                if word in " ".join(child.cmdline()):
                    return child
        return None


def serve(installation: Installation, port: int) -> Running:
    return installation.start("manage.py", "serve", MADSAFE_URL=f"http://127.0.0.1:{port}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with installed(tmp_path / "installation") as made:
        port = free_port()
        found = Site(made.migrated(), serve(made, port), f"http://127.0.0.1:{port}")
        found.ready()
        yield found


def sign_in(url: str, name: str, password: str) -> str:
    """Sign in as a browser would; gives the address that this ends at."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = opener.open(f"{url}/accounts/login/", timeout=10).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "username": name, "password": password}
    request = urllib.request.Request(
        f"{url}/accounts/login/", urllib.parse.urlencode(form).encode(), {"Referer": f"{url}/accounts/login/"}
    )
    with opener.open(request, timeout=10) as answer:
        assert answer.status == 200
        return str(answer.url)


def test_an_account_signs_in_over_http(site: Site) -> None:
    assert site.installation.manage("shell", "-v0", "-c", ACCOUNT).code == 0
    assert sign_in(site.url, "lead", PASSWORD) == f"{site.url}/"
    assert sign_in(site.url, "lead", "another password") == f"{site.url}/accounts/login/"


def test_the_worker_is_heard(site: Site) -> None:
    wait_until(lambda: site.installation.one("SELECT COUNT(*) FROM core_workerpulse"), 30, "a sign of the worker")


@pytest.mark.parametrize("word", ["gunicorn", "celery"])
def test_a_killed_child_is_started_again(site: Site, word: str) -> None:
    killed = wait_until(lambda: site.named(word), 20, word)
    killed.kill()
    wait_until(lambda: (found := site.named(word)) and found.pid != killed.pid, 20, f"another {word}")
    site.ready()
    assert "ended with code -9; starting it again." in site.command.err


def test_the_end_leaves_no_process_and_a_free_port(site: Site) -> None:
    wait_until(lambda: site.named("celery"), 20, "the worker")
    site.command.process.send_signal(signal.SIGTERM)
    assert site.command.wait(30).code == 0
    wait_until(lambda: not site.installation.processes(), 10, "the end of all processes")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(site.url.rsplit(":", 1)[1])))


def test_a_port_in_use_is_said_in_one_sentence(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(installation, port).wait(30)
    assert done.code == 1
    assert done.err.strip() == (
        f"CommandError: http://127.0.0.1:{port} is in use or cannot be bound (Address already in use). "
        "Stop what runs there, or set MADSAFE_URL to another port."
    )
