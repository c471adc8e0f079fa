"""A key is planted through the page, used for good and bad answers, and then looked for everywhere it must not be.

The key has none of the usual beginnings, so that no redaction of "what looks like a key" can help. The server that it
is for sends it back in every answer, as a careless or hostile one might.
"""

from __future__ import annotations

import base64
import http.cookiejar
import re
import sqlite3
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kombu
import pytest
from django.test import override_settings
from django.urls import reverse

from madsafe_web.core import crypto
from tests.helpers.installation import KEY, Installation, free_port, import_of, installed, prompt_file, wait_until
from tests.roles import ADDRESSES
from tests.security.test_deserialisation import publish_pickle

pytestmark = pytest.mark.slow
CANARY = "CANARY.4f81c2d96ab3e750.planted"
NEW_KEY = "another encryption key of this test in front of the old one"
PASSWORD = "a password for tests only"
ACCOUNTS = f"""
from madsafe_web.core.models import User
for name in ("lead", "admin"):
    User.objects.create_user(name, password="{PASSWORD}", role=name)
"""
ROWS = 12
API_PAGES = [f"/api/v1/{name}/" for name in ("me", "runs", "runs/1", "runs/2", "endpoints", "audit", "prompts")]
PAGES = [name for name, methods in ADDRESSES.items() if "GET" in methods]


class Echo(BaseHTTPRequestHandler):
    """Answers 200, 500 and at last 401, each time with the key it was sent in header and body."""

    seen: list[tuple[str, int]] = []
    stop_at = 10**9  # so many answers before the first 401

    def do_POST(self) -> None:
        key = self.headers.get("Authorization", "")
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        count = len(self.seen)
        status = 401 if count >= self.stop_at else (200, 500)[count % 2]
        self.seen.append((key, status))
        said = f'"choices": [{{"message": {{"content": "label of {key}"}}}}], "error": {{"message": "bad key {key}"}}'
        self.send_response(status, f"for {key}")
        self.send_header("X-Key", key)
        self.send_header("Set-Cookie", f"key={key}")
        self.end_headers()
        self.wfile.write(f"{{{said}}}".encode())

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Browser:
    """Somebody signed in over HTTP, and every answer they got."""

    url: str
    answers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def ask(self, path: str, form: dict[str, str] | None = None) -> int:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(f"{self.url}{path}", data, {"Referer": f"{self.url}{path}"})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return self._keep(path, answer)
        except urllib.error.HTTPError as error:
            return self._keep(path, error)

    def post(self, path: str, page: str = "", **form: str) -> int:
        """Send the form of a page as a browser would, with the token that stands in the page."""
        self.ask(page or path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.answers[page or path])
        assert token is not None, self.answers[page or path]
        return self.ask(path, {"csrfmiddlewaretoken": token[1], **form})

    def _keep(self, path: str, answer: Any) -> int:
        text = f"{answer.headers}{answer.read().decode('utf-8', 'replace')}"
        self.answers[f"{path} #{len(self.answers)}"] = self.answers[path] = text
        return int(answer.status)


@dataclass(frozen=True)
class Flow:
    """The installation after everything was done with the key."""

    made: Installation
    browsers: list[Browser]
    statuses: dict[str, int]
    processes: list[str]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    env = {"MADSAFE_URL": f"http://127.0.0.1:{port}", "MADSAFE_LOG_LEVEL": "DEBUG", "MADSAFE_RUN_LEASE_S": "10"}
    with installed(tmp_path_factory.mktemp("canary") / "installation", **env) as made:
        made.migrated()
        assert made.manage("shell", "-v0", "-c", ACCOUNTS).code == 0
        made.start("manage.py", "serve")
        lead, admin = Browser(env["MADSAFE_URL"]), Browser(env["MADSAFE_URL"])
        wait_until(lambda: answered(admin), 60, "the sign-in")
        for browser, name in ((lead, "lead"), (admin, "admin")):
            assert browser.post("/accounts/login/", username=name, password=PASSWORD) == 200
        yield use(made, admin, lead, f"http://127.0.0.1:{server.server_address[1]}/v1")
    server.shutdown()
    server.server_close()


def answered(browser: Browser) -> bool:
    with suppress(OSError):
        return browser.ask("/accounts/login/") == 200
    return False


def use(made: Installation, admin: Browser, lead: Browser, base_url: str) -> Flow:
    """Plant the key and use it in every way there is."""
    statuses = plant(admin, base_url)
    publish_pickled(made)
    import_and_label(made)
    processes = [" ".join(process.cmdline()) for process in made.processes()]
    processes += [str(process.environ()) for process in made.processes()]
    statuses["crash"] = crash(made, admin, base_url)
    rotated = made.manage("rotate_keys", MADSAFE_ENCRYPTION_KEYS=f"{NEW_KEY},{made.env['MADSAFE_ENCRYPTION_KEYS']}")
    assert rotated.code == 0, rotated.err
    assert made.manage("backup", str(made.folder / "backup.tar")).code == 0
    visit(made, [admin, lead])
    return Flow(made, [admin, lead], statuses, processes)


def plant(admin: Browser, base_url: str) -> dict[str, int]:
    form = endpoint_form(base_url)
    statuses = {"refused": admin.post("/endpoints/new/", **{**form, "concurrency": "0"})}
    statuses["saved"] = admin.post("/endpoints/new/", **form)
    for number in range(2):  # 200, then 500
        statuses[f"try {number}"] = admin.post("/endpoints/1/try/", "/endpoints/1/")
    return statuses


def endpoint_form(base_url: str) -> dict[str, str]:
    options = '{"tries": 1, "backoff": 0.01}'
    fixed = {"name": "judge", "backend": "openai_compatible", "model": "m", "concurrency": "1", "key_env": ""}
    return {**fixed, "base_url": base_url, "options": options, "key": CANARY}


def import_and_label(made: Installation) -> None:
    """A run by the worker that ends with the 401, and the same in a command of its own."""
    prompts = import_of(prompt_file(made.folder, ROWS), name="prompts")
    Echo.stop_at = len(Echo.seen) + 6
    chain = made.chain([prompts, {"label": {"endpoint": "judge"}}])
    queued = made.manage("run_pipeline", chain, "--queue", "--json")
    again = made.manage("run_pipeline", chain, "--json")
    assert (queued.code, again.code) != (0, 0)
    assert {status for _, status in Echo.seen} == {200, 500, 401}


def publish_pickled(made: Installation) -> None:
    """A message in the worker's queue that it must refuse to read."""
    broker = made.var / "broker"
    options = {f"data_folder_{way}": str(broker / "queue") for way in ("in", "out")}
    options["control_folder"] = str(broker / "control")
    with kombu.Connection("filesystem://localhost", transport_options=options) as connection:
        publish_pickle(connection, made.folder / "mark")


def crash(made: Installation, admin: Browser, base_url: str) -> int:
    """Save the key while the audit record cannot be written: an error that nobody expected."""
    admin.ask("/endpoints/1/")
    with closing(sqlite3.connect(made.var / "madsafe.sqlite3", timeout=30)) as database:
        database.execute("ALTER TABLE core_audithead RENAME TO elsewhere")
        status = admin.post("/endpoints/1/", **endpoint_form(base_url) | {"model": "n"})
        database.execute("ALTER TABLE elsewhere RENAME TO core_audithead")
    return status


def visit(made: Installation, browsers: list[Browser]) -> None:
    """Every page that can be read without arguments, and those of each endpoint, run and audit event."""
    paths = []
    for name in PAGES:
        with suppress(Exception):  # the address takes arguments
            paths.append(reverse(name))
    paths += [f"/runs/{pk}/" for (pk,) in made.rows("SELECT id FROM core_run")]
    paths += [f"/runs/{pk}/progress/" for (pk,) in made.rows("SELECT id FROM core_run")]
    paths += [*API_PAGES, "/endpoints/1/", "/api/v1/endpoints/1/", "/admin/core/endpoint/", "/nosuch/"]
    for browser in browsers:
        for path in paths:
            browser.ask(path)


def occurs(text: str | bytes) -> bool:
    """Whether the key stands in there, as it is or in base64."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return CANARY.encode() in data or base64.b64encode(CANARY.encode())[:20] in data


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_the_key_was_used_and_the_server_sent_it_back(flow: Flow) -> None:
    assert {key for key, _ in Echo.seen} == {f"Bearer {CANARY}"}
    assert flow.statuses == {"refused": 422, "saved": 200, "try 0": 200, "try 1": 200, "crash": 500}


def test_it_is_stored_encrypted_with_the_new_encryption_key(flow: Flow) -> None:
    secret, hint = flow.made.rows("SELECT secret, secret_hint FROM core_endpoint WHERE name = 'judge'")[0]
    with override_settings(ENCRYPTION_KEYS=[NEW_KEY]):
        assert crypto.decrypt(secret) == CANARY
    with override_settings(ENCRYPTION_KEYS=[KEY.replace(",", "")]), pytest.raises(crypto.SecretError):
        crypto.decrypt(secret)
    assert hint == CANARY[-4:]


def test_no_page_and_no_error_page_shows_it(flow: Flow) -> None:
    for browser in flow.browsers:
        assert [path for path, text in browser.answers.items() if occurs(text)] == []
    assert any("Bearer ***" in text for text in flow.browsers[0].answers.values())
    assert "key_hint" in flow.browsers[0].answers["/api/v1/endpoints/"]  # the API answered, too
    assert len(flow.browsers[0].answers) > 30


def test_no_log_of_any_process_holds_it(flow: Flow) -> None:
    logs = [path for path in files(flow.made.folder) if path.suffix in (".out", ".err")]
    assert [path.name for path in logs if occurs(path.read_bytes())] == []
    assert any("Error" in path.read_text("utf-8", "replace") for path in logs)  # the crash is in there


def test_no_file_of_the_installation_holds_it(flow: Flow) -> None:
    held = list(files(flow.made.folder))
    assert [str(path) for path in held if occurs(path.read_bytes())] == []
    assert {"madsafe.sqlite3", "backup.tar"} <= {path.name for path in held}


def test_no_dump_of_the_database_holds_it(flow: Flow) -> None:
    with closing(sqlite3.connect(flow.made.var / "madsafe.sqlite3")) as database, closing(sqlite3.connect("")) as copy:
        database.backup(copy)
        copy.execute("DROP TABLE annotation_promptsearch")  # holds pairs of characters only, which nothing can list
        dump = "\n".join(copy.iterdump())
    assert not occurs(dump)
    assert "Bearer ***" in dump and "endpoint.key" in dump and "key.rotate" in dump


def test_no_backup_holds_it(flow: Flow) -> None:
    with tarfile.open(flow.made.folder / "backup.tar") as tar:
        held = {info.name: reader.read() for info in tar if (reader := tar.extractfile(info))}
    assert held and [name for name, data in held.items() if occurs(data)] == []


def test_no_command_line_or_environment_of_a_process_holds_it(flow: Flow) -> None:
    assert any("celery" in one for one in flow.processes)
    assert not any(occurs(one) for one in flow.processes)


def test_the_worker_refused_a_pickled_message_and_lived_on(flow: Flow) -> None:
    assert not (flow.made.folder / "mark").exists()
    logs = "".join(path.read_text("utf-8", "replace") for path in files(flow.made.folder) if path.suffix == ".err")
    assert "Refusing to deserialize untrusted content of type pickle" in logs
