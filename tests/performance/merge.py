"""How fast labels are merged: 300,000 prompts, 450,000 links, 2,000 labels, a real web server, real requests.

`python -m tests.performance.merge [--prompts N] [--database sqlite|postgresql]`. A merge puts the labels of 120,000
links into a category by the page's own form, as htmx sends it; after each the numbers of the categories are asked for,
and after five of them the map is published. Medians count (`_ms`); the worst but one stands beside (`_most`), and what
the web processes worked for one (`_cpu`), which other work on the machine changes less. The floor is the 95th
percentile of a signed-in page with nothing in it. `cluster_s`: the proposers that go by names, libraries loaded;
`same_prompts_s`: the run of stage `propose` with 40 prompts a label (`_cpu`: with the start of its command);
`rewrite_ms`: the baseline, writing the category into every link. `load`: how many processes wanted a processor.

TEST_POSTGRES_URL names the server for the second database, TEST_CHROMIUM the browser; what is not there is left out,
and a line says so. The last line is one JSON object, each figure the worse of the two databases. Stopped by Ctrl-C or
SIGTERM, the script ends its servers, browser and database first.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import resource
import signal
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
from typing import Any
from urllib.parse import urlencode

import psutil

from tests.helpers.installation import ROOT, Installation, free_port, installed, postgres_database
from tests.performance import common, start
from tests.performance.merge_data import LEAD, PASSWORD

TIMES, PUBLISHED, PAINTED, FLOORS = 25, 5, 5, 100
FLOOR = 6  # times the floor an answer may take where that is more than its own bound
MOST = {"merge_ms": 50.0, "counts_ms": 300.0, "publish_ms": 100.0}
MOST_S = {"cluster_s": 1.0, "same_prompts_s": 15.0, "paint_s": 1.0}
LAST = ("merge_ms", "counts_ms", "publish_ms", "cluster_s", "same_prompts_s", "floor_p95_ms", "rewrite_ms")
EXIT_STOPPED = 130
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
    if not start.has_postgres() and options.database == "postgresql":
        parser.error("TEST_POSTGRES_URL is not set: it names the server to measure with.")
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in a shell's background
        signal.signal(number, _stop)
    common.setup_django()
    names = ["sqlite", *(["postgresql"] if start.has_postgres() else [])]
    try:
        found = {name: measure(name, options.prompts) for name in ([options.database] if options.database else names)}
    except KeyboardInterrupt:
        print("Stopped; nothing was measured whole.")
        return EXIT_STOPPED
    finally:
        for process in psutil.Process().children(recursive=True):
            process.kill()
    columns = list(next(iter(found.values())))
    common.print_table(("", *found), [(key, *(facts[key] for facts in found.values())) for key in columns])
    if not start.has_postgres():
        print("postgresql: not measured, since TEST_POSTGRES_URL names no server.")
    for name, facts in found.items():
        print(*verdicts(name, facts), sep="\n")
    return common.end({key: max(facts[key] for facts in found.values()) for key in LAST})


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def verdicts(name: str, facts: Facts) -> Iterator[str]:
    """A sentence for each bound: whether it holds."""
    bounds = {key: max(most, FLOOR * facts["floor_p95_ms"]) for key, most in MOST.items()} | MOST_S
    for key, most in bounds.items():
        if key not in facts:
            yield f"{name}: {key} not measured, since there is no browser at {CHROMIUM}."
            continue
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
        facts |= same_prompts(made)
        with served(made) as browser:
            return facts | over_http(made, browser, int(0.4 * prompts)) | {"load": round(os.getloadavg()[0], 1)}


def part(made: Installation, *arguments: str) -> float:
    done = made.start(*DATA, *arguments).wait(300)
    assert done.code == 0, done.err
    return float(done.out.splitlines()[-1])


def same_prompts(made: Installation) -> Facts:
    """Seconds that the run of stage `propose` was at work, and those of the processor for its command."""
    before = _worked()
    done = made.manage("run_pipeline", made.chain([{"propose": {"by": "prompts"}}]), "--json", seconds=120)
    assert done.code == 0, done.out + done.err
    began, ended = made.rows("SELECT started, finished FROM core_run WHERE stage = 'propose'")[0]
    took = datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(began))
    return {"same_prompts_s": round(took.total_seconds(), 2), "same_prompts_cpu": round(_worked() - before, 2)}


def _worked() -> float:
    """Processor seconds of the commands that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def served(made: Installation) -> Iterator[Browser]:
    """Somebody signed in at the product's web server, which ends with the block."""
    from madsafe_web.core.management.commands.serve import web_command

    address = f"127.0.0.1:{free_port()}"
    command = [text.replace("madsafe_web.wsgi", "tests.performance.merge_wsgi") for text in web_command()[1:]]
    command[command.index("--bind") + 1] = address
    running = made.start(*command, MADSAFE_URL=f"http://{address}")
    try:
        start.first_page(f"http://{address}/accounts/login/", time.perf_counter())
        yield Browser(address, psutil.Process(running.process.pid))
    finally:
        running.process.terminate()
        running.process.wait(30)


class Browser:
    """Requests of a person who is signed in, each over a connection of its own."""

    def __init__(self, address: str, server: psutil.Process) -> None:
        self.address, self.server, self.cookies = address, server, SimpleCookie()
        self.took_ms = self.worked_ms = 0.0
        self.token = ""
        self.post("/accounts/login/", [("username", LEAD), ("password", PASSWORD)])
        assert "sessionid" in self.cookies, "the lead could not sign in"

    def get(self, path: str, *, htmx: bool = False) -> str:
        """The page, whose form's token is kept; `took_ms` is how long it took, `worked_ms` what the server worked."""
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
        worked, began = self._worked_ms(), time.perf_counter()
        answer, text = self._once(method, path, body, htmx)
        if htmx and answer.status in (302, 303):
            answer, text = self._once("GET", answer.headers["Location"], "", htmx)
        self.took_ms = 1000 * (time.perf_counter() - began)
        self.worked_ms = self._worked_ms() - worked
        assert answer.status in (200, 204, 302, 303), (method, path, answer.status, text[:500])
        return text

    def _worked_ms(self) -> float:
        times = [process.cpu_times() for process in self.server.children(recursive=True)]
        return 1000 * sum(one.user + one.system for one in times)

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


def over_http(made: Installation, browser: Browser, links: int) -> Facts:
    """The figures of the requests, and of the page in a browser."""
    for _ in range(4):  # both processes have loaded what they keep
        browser.get("/labels/")
        browser.get("/empty/")
    empty = [taken(browser, "/empty/")[0] for _ in range(FLOORS)]
    floor = round(sorted(empty)[int(0.95 * len(empty))], 1)
    painted = {"paint_s": painted_s(browser)} if Path(CHROMIUM).exists() else {}
    times: dict[str, list[tuple[float, float]]] = {"merge": [], "counts": [], "publish": []}
    form = re.search(r'<form id="assign"[^>]* action="([^"]+)"', browser.get("/labels/"))
    assert form, "the page has no form that assigns"
    merged = most_frequent(made, links)
    codes = [code for (code,) in made.rows("SELECT code FROM annotation_category ORDER BY position LIMIT 2")]
    for number in range(TIMES):
        times["merge"].append(merge(made, browser, form[1], merged, codes[number % 2]))
        times["counts"].append(taken(browser, "/labels/counts/", htmx=True))
        if number >= TIMES - PUBLISHED:
            times["publish"].append(publish(made, browser))
            merge(made, browser, form[1], merged[:1], codes[number % 2])  # opens the next draft
    return told(times) | painted | {"floor_p95_ms": floor}


def told(times: dict[str, list[tuple[float, float]]]) -> Facts:
    """The medians, the worst but one, and the mean work, from the milliseconds of each request and of its work."""
    found = {f"{name}_ms": round(statistics.median(took for took, _ in each), 1) for name, each in times.items()}
    worst = {f"{name}_most": round(sorted(took for took, _ in each)[-2], 1) for name, each in times.items()}
    work = {
        f"{name}_cpu": round(statistics.mean(sorted(worked for _, worked in each)[:-2]), 1)
        for name, each in times.items()
    }
    return found | worst | work


def taken(browser: Browser, path: str, *, htmx: bool = False) -> tuple[float, float]:
    browser.get(path, htmx=htmx)
    return browser.took_ms, browser.worked_ms


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


def merge(made: Installation, browser: Browser, form: str, labels: Sequence[int], code: str) -> tuple[float, float]:
    """Milliseconds until the page has the answer to a decision about these labels."""
    newest = "SELECT MAX(id) FROM annotation_mergemap"
    entries = f"SELECT label_id, revision FROM annotation_mapentry WHERE merge_map_id = ({newest})"
    revisions = dict(made.rows(entries))
    also = [("also", f"{label}:{revisions[label]}") for label in labels[1:]]
    shown = [("label", labels[0]), ("revision", revisions[labels[0]]), ("category", code), ("query", "")]
    browser.post(form, [*shown, *also], htmx=True)
    return browser.took_ms, browser.worked_ms


def publish(made: Installation, browser: Browser) -> tuple[float, float]:
    """Milliseconds until the draft is published."""
    draft = made.one("SELECT id FROM annotation_mergemap WHERE state = 'draft'")
    browser.post("/labels/publish/", [("map", draft), ("note", "")])
    took = browser.took_ms, browser.worked_ms
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
