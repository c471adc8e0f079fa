"""A real browser against a real server with a small installation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from madsafe_web.core.models import User
from tests.world import World, make_world

CHROMIUM = os.environ.get("TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WAIT_MS = 10_000
# Every refusal of the content policy, told by the browser itself.
WATCH = """addEventListener("securitypolicyviolation", (event) => console.error("content policy", event.blockedURI,
event.violatedDirective, event.sourceFile, event.lineNumber))"""
# Playwright's own waiting for an expression needs eval, which the content policy refuses.
SETTLED = f"""new Promise((done, fail) => {{
  document.addEventListener("htmx:afterSettle", (event) => {{ if (event.target.id === "main") done(); }});
  document.addEventListener("stepped", done);
  setTimeout(() => fail(new Error("nothing was swapped in")), {WAIT_MS});
}})"""


@pytest.fixture(scope="module")  # no longer: while it lives, no other test of the process can run an event loop
def chromium() -> Iterator[Any]:
    """The browser; skips where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs Chromium: there is no {CHROMIUM}; TEST_CHROMIUM names another one")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with pytest.MonkeyPatch.context() as patched, api.sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, where Django would refuse the database to us.
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def live_server(django_db_setup: None) -> Iterator[LiveServer]:
    """The site as it is served, static files by WhiteNoise too and not by Django's handler for tests."""
    with patch("django.contrib.staticfiles.handlers.StaticFilesHandler", lambda application: application):
        server = LiveServer("127.0.0.1")
    yield server
    server.stop()


@pytest.fixture
def world(live_server: LiveServer, transactional_db: None, settings: Any, tmp_path: Path) -> World:
    settings.VAR_DIR = tmp_path
    return make_world(tmp_path)


class Window:
    """A page of the browser that remembers what went wrong in it."""

    def __init__(self, page: Any, base: str) -> None:
        self.page, self.base = page, base
        self.wrong: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._told(message.type, message.text))
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("response", lambda answer: self._answered(answer.status, answer.url))

    def _told(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.wrong.append(f"{self.page.url}: {text}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.wrong.append(f"{self.page.url}: {status} {url}")

    def go(self, path: str) -> None:
        self.page.goto(self.base + path, wait_until="load")

    def press(self, key: str) -> None:
        """Press a key and wait until htmx has put the answer into the page."""
        self.page.evaluate(f"void (window.settled = {SETTLED})")
        self.page.keyboard.press(key)
        self.page.evaluate("window.settled")

    def drawn(self) -> None:
        """Wait until every figure of the page is drawn."""
        self.page.wait_for_selector("[data-figure]:not(:has(svg.main-svg))", state="detached")


Opener = Callable[..., Window]


@pytest.fixture
def open_window(chromium: Any, live_server: LiveServer) -> Iterator[Opener]:
    """open_window(role, width=1440, theme="light", language="en"): a window of this role's person."""
    contexts = []

    def opened(role: str, width: int = 1440, theme: str = "light", language: str = "en") -> Window:
        client = Client()
        client.force_login(User.objects.get(username=role))
        cookies = {django_settings.SESSION_COOKIE_NAME: client.session.session_key, "theme": theme}
        cookies[django_settings.LANGUAGE_COOKIE_NAME] = language
        context = chromium.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        context.add_cookies([{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()])
        context.add_init_script(WATCH)
        return Window(context.new_page(), live_server.url)

    yield opened
    for context in contexts:
        context.close()
