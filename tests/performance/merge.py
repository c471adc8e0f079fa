"""How fast labels are merged: 300,000 prompts, 450,000 links, 2,000 labels, a real web server, real requests.

`python -m tests.performance.merge [--prompts N] [--database sqlite|postgresql]`. A merge puts the labels of 120,000
links into a category by the page's own form, as htmx sends it; after each the numbers of the categories are asked for,
and after five of them the map is published. Medians count (`_ms`); the worst but one stands beside (`_most`). The floor
is the 95th percentile of a signed-in page with nothing in it. `cluster_s`: the proposers that go by names, libraries
loaded; `same_prompts_s`: the run of stage `propose`; `rewrite_ms`: the baseline, writing the category into every link.
TEST_POSTGRES_URL names the server for the second database, TEST_CHROMIUM the browser. The last line has the worse of
the two databases.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from tests.helpers.installation import ROOT, Installation, free_port, installed, postgres_database
from tests.performance import common, start
from tests.performance.merge_data import LEAD, PASSWORD

TIMES, PUBLISHED, PAINTED, FLOORS = 25, 5, 5, 100
FLOOR = 6  # times the floor an answer may take where that is more than its own bound
MOST = {"merge_ms": 50.0, "counts_ms": 300.0, "publish_ms": 100.0}
MOST_S = {"cluster_s": 1.0, "same_prompts_s": 15.0, "paint_s": 1.0}
LAST = ("merge_ms", "counts_ms", "publish_ms", "cluster_s", "same_prompts_s", "floor_p95_ms", "rewrite_ms")
DATA = ("-m", "tests.performance.merge_data")
CHROMIUM = os.environ.get("TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PAINT = "performance.getEntriesByType('paint').find((entry) => entry.name === 'first-contentful-paint').startTime"
Facts = dict[str, float]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=300_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args(arguments)
    common.setup_django()
    names = ["sqlite", *(["postgresql"] if start.has_postgres() else [])]
    found = {name: measure(name, options.prompts) for name in ([options.database] if options.database else names)}
    columns = list(next(iter(found.values())))
    common.print_table(("database", *columns), [(name, *facts.values()) for name, facts in found.items()])
    for name, facts in found.items():
        print(*verdicts(name, facts), sep="\n")
    return common.end({key: max(facts[key] for facts in found.values()) for key in LAST})


def verdicts(name: str, facts: Facts) -> Iterator[str]:
    """A sentence for each bound: whether it holds."""
    bounds = {key: max(most, FLOOR * facts["floor_p95_ms"]) for key, most in MOST.items()} | MOST_S
    for key, most in bounds.items():
        told = "holds" if facts[key] <= most else "DOES NOT HOLD"
        yield f"{name}: {key} {told}: {facts[key]:g} of {most:g}."


def measure(database: str, prompts: int) -> Facts:
    """All figures with that database, in an installation of its own."""
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
        made = stack.enter_context(installed(Path(folder, "installation"), url, PYTHONPATH=str(ROOT)))
        assert made.manage("migrate", "-v0").code == 0
        filled = part(made, "fill", "--prompts", str(prompts))
        facts = {"fill_s": filled, "cluster_s": part(made, "cluster"), "rewrite_ms": part(made, "rewrite")}
        facts["same_prompts_s"] = same_prompts_s(made)
        with served(made) as address:
            return facts | over_http(made, address, int(0.4 * prompts))


def part(made: Installation, *arguments: str) -> float:
    done = made.start(*DATA, *arguments).wait(300)
    assert done.code == 0, done.err
    return float(done.out.splitlines()[-1])


def same_prompts_s(made: Installation) -> float:
    """Seconds that the run of stage `propose` was at work."""
    done = made.manage("run_pipeline", made.chain([{"propose": {"by": "prompts"}}]), "--json", seconds=120)
    assert done.code == 0, done.out + done.err
    began, ended = made.rows("SELECT started, finished FROM core_run WHERE stage = 'propose'")[0]
    return round((datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(began))).total_seconds(), 2)


@contextmanager
def served(made: Installation) -> Iterator[str]:
    """The address (host:port) of the product's web server, which ends with the block."""
    from madsafe_web.core.management.commands.serve import web_command

    address = f"127.0.0.1:{free_port()}"
    command = [text.replace("madsafe_web.wsgi", "tests.performance.merge_wsgi") for text in web_command()[1:]]
    command[command.index("--bind") + 1] = address
    running = made.start(*command, MADSAFE_URL=f"http://{address}")
    try:
        start.first_page(f"http://{address}/accounts/login/", time.perf_counter())
        yield address
    finally:
        running.process.terminate()
        running.process.wait(30)


class Browser:
    """Requests of a person who is signed in, each over a connection of its own."""

    def __init__(self, address: str) -> None:
        self.address, self.cookies, self.took_ms = address, SimpleCookie(), 0.0
        self.token = ""
        self.post("/accounts/login/", [("username", LEAD), ("password", PASSWORD)])
        assert "sessionid" in self.cookies, "the lead could not sign in"

    def get(self, path: str, *, htmx: bool = False) -> str:
        """The page, whose form's token is kept; `took_ms` is how long it took."""
        text = self._sent("GET", path, "", htmx)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
        self.token = found[1] if found else self.token
        return text

    def post(self, path: str, fields: Sequence[tuple[str, object]], *, htmx: bool = False) -> str:
        """What a form answers; htmx shows nothing before it followed where it was sent on to."""
        if not self.token:
            self.get(path)
        return self._sent("POST", path, urlencode([("csrfmiddlewaretoken", self.token), *fields]), htmx)

    def _sent(self, method: str, path: str, body: str, htmx: bool) -> str:
        began = time.perf_counter()
        answer, text = self._once(method, path, body, htmx)
        if htmx and answer.status in (302, 303):
            answer, text = self._once("GET", answer.headers["Location"], "", htmx)
        self.took_ms = 1000 * (time.perf_counter() - began)
        assert answer.status in (200, 204, 302, 303), (method, path, answer.status, text[:500])
        return text

    def _once(self, method: str, path: str, body: str, htmx: bool) -> tuple[http.client.HTTPResponse, str]:
        headers = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in self.cookies.values())}
        headers |= {"HX-Request": "true"} if htmx else {}
        headers |= {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        return answer, text


def over_http(made: Installation, address: str, links: int) -> Facts:
    """The figures of the requests, and of the page in a browser."""
    browser = Browser(address)
    for _ in range(4):  # both processes have loaded what they keep
        browser.get("/labels/")
        browser.get("/empty/")
    empty = [taken(browser, "/empty/") for _ in range(FLOORS)]
    paint = painted_s(browser)
    merged = most_frequent(made, links)
    times: dict[str, list[float]] = {"merge": [], "counts": [], "publish": []}
    codes = [code for (code,) in made.rows("SELECT code FROM annotation_category ORDER BY position LIMIT 2")]
    for number in range(TIMES):
        times["merge"].append(merge_ms(made, browser, merged, codes[number % 2]))
        times["counts"].append(taken(browser, "/labels/counts/", htmx=True))
        if number >= TIMES - PUBLISHED:
            times["publish"].append(publish_ms(made, browser))
            merge_ms(made, browser, merged[:1], codes[number % 2])  # opens the next draft
    found = {f"{name}_ms": round(statistics.median(each), 1) for name, each in times.items()}
    worst = {f"{name}_most": round(sorted(each)[-2], 1) for name, each in times.items()}
    floor = round(sorted(empty)[int(0.95 * len(empty))], 1)
    return found | worst | {"paint_s": paint, "floor_p95_ms": floor}


def taken(browser: Browser, path: str, *, htmx: bool = False) -> float:
    browser.get(path, htmx=htmx)
    return browser.took_ms


def most_frequent(made: Installation, links: int) -> list[int]:
    """The labels with the most prompts, as many as have so many links."""
    counted = "SELECT label_id, COUNT(*) FROM annotation_promptintent GROUP BY label_id ORDER BY 2 DESC"
    found, held = [], 0
    for label, number in made.rows(counted):
        found.append(label)
        held += number
        if held >= links:
            break
    return found


def merge_ms(made: Installation, browser: Browser, labels: Sequence[int], code: str) -> float:
    """Milliseconds until the page has the answer to a decision about these labels."""
    page = browser.get(f"/labels/?label={labels[0]}")
    form = re.search(r'<form id="assign"[^>]* action="([^"]+)"', page)
    assert form, "the page has no form that assigns"
    newest = "SELECT MAX(id) FROM annotation_mergemap"
    entries = f"SELECT label_id, revision FROM annotation_mapentry WHERE merge_map_id = ({newest})"
    revisions = dict(made.rows(entries))
    also = [("also", f"{label}:{revisions[label]}") for label in labels[1:]]
    shown = [("label", labels[0]), ("revision", revisions[labels[0]]), ("category", code), ("query", "")]
    browser.post(form[1], [*shown, *also], htmx=True)
    return browser.took_ms


def publish_ms(made: Installation, browser: Browser) -> float:
    """Milliseconds until the draft is published."""
    draft = made.one("SELECT id FROM annotation_mergemap WHERE state = 'draft'")
    browser.post("/labels/publish/", [("map", draft), ("note", "")])
    took = browser.took_ms
    assert made.one(f"SELECT state FROM annotation_mergemap WHERE id = {draft}") == "published"
    return took


def painted_s(browser: Browser) -> float:
    """Median seconds until Chromium paints the page for the first time, each time with nothing kept."""
    from playwright.sync_api import sync_playwright

    base = f"http://{browser.address}"
    kept = [{"name": one.key, "value": one.value, "url": base} for one in browser.cookies.values()]
    times, pause = [], threading.Event()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for _ in range(PAINTED):
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies(kept)  # type: ignore[arg-type]  # a cookie is a dictionary of its own type
            page = context.new_page()
            page.goto(f"{base}/labels/", wait_until="load")
            pause.wait(0.2)
            times.append(page.evaluate(PAINT) / 1000)
            context.close()
        chromium.close()
    return round(statistics.median(times), 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
