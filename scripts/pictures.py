"""Take the pictures of the README: `make pictures`, after `make demo SERVE=0`.

Serves a copy of the demo installation, so that signing in changes nothing in the true one, and writes every page in
light and dark to docs/images/. WebP: a tenth of the size of PNG, and text stays sharp.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("TEST_CHROMIUM", "/usr/bin/chromium")
STAGE_SHOWN = {
    "runs:detail": "evaluate",
    "pipeline:training": "train",
}  # of the newest run of a stage
WIDTH, HEIGHT = 1280, 800
QUALITY = 82
START_S = 30
# Picture, role, address by name.
PAGES = (
    ("overview", "lead", "overview"),
    ("merge", "lead", "annotation:merge"),
    ("review", "reviewer", "annotation:review"),
    ("run", "lead", "runs:detail"),
    ("training", "lead", "pipeline:training"),
    ("results", "lead", "evaluation:results"),
    ("users", "admin", "accounts:users"),
)


def main() -> int:
    """Write the pictures; 1 where there is no demo installation."""
    true = Path(os.environ.get("MADSAFE_VAR", ROOT / "var"))
    if not (true / "demo" / "summary.json").is_file():
        print("There is no demo installation: run `make demo SERVE=0` first.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="madsafe-pictures-") as folder:
        copy = Path(folder, "var")
        shutil.copytree(true, copy)
        url = f"http://127.0.0.1:{free_port()}"
        os.environ.update(MADSAFE_VAR=str(copy), MADSAFE_URL=url, DJANGO_SETTINGS_MODULE="madsafe_web.settings")
        os.environ.pop("DATABASE_URL", None)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
        with served(url):
            take(url)
    return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(url: str) -> Iterator[None]:
    """The site with its worker, as `make run` starts it, until the end of the block."""
    process = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT)
    try:
        until = time.monotonic() + START_S
        while not answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the site did not start")
            time.sleep(0.5)
        time.sleep(2)  # the first sign of life of the worker
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/accounts/login/", timeout=2) as answer:  # noqa: S310  # our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def take(url: str) -> None:
    """Every picture in both themes."""
    import django

    django.setup()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for theme in ("light", "dark"):
            for name, role, view in PAGES:
                context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
                context.add_cookies(cookies(url, role, theme))
                written = shoot(context.new_page(), f"{url}{address(view)}", IMAGES / f"{name}-{theme}.webp")
                print(f"{written.relative_to(ROOT)}  {written.stat().st_size / 1000:.0f} kB")
                context.close()
        browser.close()


def address(view: str) -> str:
    """The path of the page."""
    from django.urls import reverse

    from madsafe_web.core.models import Run

    stage = STAGE_SHOWN.get(view)
    return reverse(view, args=[Run.objects.filter(stage=stage).latest("pk").pk] if stage else [])


def cookies(url: str, role: str, theme: str) -> Any:
    """A session of the demo's person of this role, and the theme."""
    from django.conf import settings
    from django.test import Client

    from madsafe_web.core.models import User

    client = Client()
    client.force_login(User.objects.get(username=role))
    values = {settings.SESSION_COOKIE_NAME: client.session.session_key or "", "theme": theme}
    values[settings.LANGUAGE_COOKIE_NAME] = "en"
    return [{"name": name, "value": value, "url": url} for name, value in values.items()]


def shoot(page: Any, url: str, path: Path) -> Path:
    """Write what the window shows of the page, once its figures are drawn."""
    answer = page.goto(url, wait_until="networkidle")
    if not answer or not answer.ok:
        raise RuntimeError(f"{url} cannot be shown")
    page.wait_for_selector("[data-figure]:not(:has(svg.main-svg))", state="detached")
    protocol = page.context.new_cdp_session(page)
    taken = protocol.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))
    return path


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
