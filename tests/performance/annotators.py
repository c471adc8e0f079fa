"""Many people merging at once: nothing lost, nothing broken, and the history leads to exactly what stands.

`python -m tests.performance.annotators [--database sqlite|postgresql] [--people 30] [--operations 1000]`. Every person
is a process of its own that speaks to the server of `manage.py serve` over the API: decisions on one to three of the
same labels, names, flags, refused pairs, undo and redo. Each remembers the revisions that it saw, so they are stale as
in a real window.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.installation import Installation, free_port, installed, postgres_database, wait_until
from tests.performance import common

LABELS = 40
TARGETS = ("OFF", "UB", "CIA", "EM", "DROP", "")
VERBS = {"assign": 55, "undo": 15, "redo": 8, "theme": 10, "flag": 7, "refuse": 5}  # how often, of 100
PEOPLE = """
import hashlib
from tests.factories import make_label, make_prompts, make_run
from madsafe_web.core.models import ApiToken, User
run = make_run()
for number, prompt in enumerate(make_prompts({labels})):
    make_label(f"label {{number}}", [prompt], run)
for number in range({people}):
    user = User.objects.create(username=f"person{{number}}", role="annotator")
    digest = hashlib.sha256(f"mads_person{{number}}".encode()).hexdigest()
    ApiToken.objects.create(user=user, digest=digest, hint="test", rights=["browse", "merge"])
"""
CHANGES = """
SELECT e.label_id, c.revision, u.username, c.before, c.after FROM annotation_labelchange c
JOIN annotation_mapentry e ON e.id = c.entry_id JOIN annotation_labeloperation o ON o.id = c.operation_id
JOIN core_user u ON u.id = o.actor_id ORDER BY c.id
"""
ENTRIES = """
SELECT e.label_id, e.revision, e.dropped, c.code, e.decided_by, e.theme, e.flagged, e.second
FROM annotation_mapentry e LEFT JOIN annotation_category c ON c.id = e.category_id
"""
START = {"target": "", "by": "", "theme": "", "flagged": False, "second": ""}


@dataclass(slots=True)
class Told:
    """What one person was told: statuses, seconds of each request, and (label, revision seen, revision after)."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    done: list[tuple[int, int, int]] = field(default_factory=list)


class Window:
    """One person with the revisions that they saw last."""

    def __init__(self, url: str, number: int) -> None:
        self.server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self.headers = {"Authorization": f"Bearer mads_person{number}", "Content-Type": "application/json"}
        self.chance, self.told = random.Random(number), Told()
        found = self.send("GET", f"labels/?limit={LABELS}")["results"]
        self.seen = {one["id"]: one["revision"] for one in found}

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        began = time.perf_counter()
        content = None if body is None else json.dumps(body)
        self.server.request(method, f"/api/v1/{path}", content, self.headers)
        answer = self.server.getresponse()
        text = answer.read()
        self.told.seconds.append(time.perf_counter() - began)
        self.told.statuses[answer.status] += 1
        found: dict[str, Any] = json.loads(text) if answer.status < 500 else {}
        return found

    def step(self) -> None:
        verb = self.chance.choices(list(VERBS), list(VERBS.values()))[0]
        labels = self.chance.sample(sorted(self.seen), self.chance.randint(2 if verb == "refuse" else 1, 3))
        if verb == "refuse":
            self.send("POST", "labels/refuse/", {"together": labels})
        elif verb in ("undo", "redo"):
            self.look(self.send("POST", f"labels/{verb}/", {}).get("results", ()))
        else:
            self.write(verb, labels)

    def write(self, verb: str, labels: list[int]) -> None:
        values = {
            "assign": {"category": self.chance.choice(TARGETS)},
            "theme": {"theme": self.chance.choice(("", "a name", "another name"))},
            "flag": {"flagged": self.chance.random() < 0.5},
        }
        before = {label: self.seen[label] for label in labels}
        seen = [{"id": label, "revision": revision} for label, revision in before.items()]
        answer = self.send("POST", f"labels/{verb}/", {"labels": seen, **values[verb]})
        for one in answer.get("results", ()):
            self.told.done.append((one["label_id"], before[one["label_id"]], one["revision"]))
        self.look(answer.get("results") or answer.get("current") or ())

    def look(self, rows: Iterable[dict[str, Any]]) -> None:
        self.seen.update({one["label_id"]: one["revision"] for one in rows})


def work(url: str, number: int, operations: int) -> tuple[str, Told]:
    """What one person was told in all their steps."""
    window = Window(url, number)
    for _ in range(operations):
        window.step()
    return f"person{number}", window.told


@dataclass(frozen=True, slots=True)
class Measured:
    """One installation after all people are done; `problems` are sentences, none where all is well."""

    operations: int
    per_second: float
    p95_ms: float
    conflicts: int
    problems: list[str]


def measure(made: Installation, people: int, operations: int) -> Measured:
    """Let people work in an installation that is migrated and not yet served."""
    done = made.manage("shell", "-v0", "-c", PEOPLE.format(labels=LABELS, people=people))
    assert done.code == 0, done.err
    url = f"http://127.0.0.1:{free_port()}"
    made.start("manage.py", "serve", MADSAFE_URL=url)
    wait_until(lambda: answers(url), 60, "the server")
    began = time.perf_counter()
    with get_context("spawn").Pool(people) as pool:
        found = pool.starmap(work, [(url, number, operations) for number in range(people)])
    seconds = time.perf_counter() - began
    times = sorted(one for _name, told in found for one in told.seconds)
    statuses = sum((told.statuses for _name, told in found), Counter[int]())
    return Measured(
        operations=people * operations,
        per_second=round(people * operations / seconds, 1),
        p95_ms=round(1000 * times[int(0.95 * len(times))], 1),
        conflicts=statuses[409],
        problems=[*strange(statuses), *lost(made, found), *not_replayed(made)],
    )


def answers(url: str) -> bool:
    server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        server.request("GET", "/healthz")
        return server.getresponse().status == 200
    except OSError:
        return False


def strange(statuses: Counter[int]) -> list[str]:
    return [f"{number} answers were {status}." for status, number in statuses.items() if status not in (200, 409)]


def lost(made: Installation, found: Sequence[tuple[str, Told]]) -> list[str]:
    """Decisions that were confirmed and are not in the history right on top of what their person saw."""
    actor_of = {(label, revision): name for label, revision, name, _before, _after in made.rows(CHANGES)}
    return [
        f"{name}: label {label} went from revision {seen} to {after}, which others changed between."
        for name, told in found
        for label, seen, after in told.done
        if any(actor_of.get((label, between)) != name for between in range(seen + 1, after + 1))
    ]


def not_replayed(made: Installation) -> list[str]:
    """Labels whose history does not follow or leads to something else than what stands."""
    states: dict[int, tuple[dict[str, Any], int]] = defaultdict(lambda: (START, 0))
    problems = []
    for label, revision, _name, before, after in made.rows(CHANGES):
        if (as_read(before), revision - 1) != states[label]:
            problems.append(f"Revision {revision} of label {label} does not follow the one before.")
        states[label] = (as_read(after), revision)
    for label, revision, dropped, code, by, theme, flagged, second in made.rows(ENTRIES):
        target = "DROP" if dropped else code or ""
        stored = {"target": target, "by": by, "theme": theme, "flagged": bool(flagged), "second": second}
        if (stored, revision) != states[label]:
            problems.append(f"The history of label {label} does not lead to what stands.")
    return problems


def as_read(state: Any) -> dict[str, Any]:
    """A state of the history: SQLite gives the text of it."""
    found: dict[str, Any] = json.loads(state) if isinstance(state, str) else state
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--operations", type=int, default=1000, help="of each person")
    options = parser.parse_args(arguments)
    common.setup_django()
    common.end_on_signals()
    database = postgres_database() if options.database == "postgresql" else nullcontext("")
    with (
        tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder,
        database as url,
        installed(Path(folder, "installation"), url) as made,
    ):
        assert made.manage("migrate", "-v0").code == 0
        found = measure(made, options.people, options.operations)
    facts = {"database": options.database, **asdict(found), "problems": len(found.problems)}
    common.end(facts, remarks=found.problems[:20])
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
