"""How fast a corpus of 300,000 prompts is withdrawn, beside a bare UPDATE of the same texts.

`python -m tests.performance.withdraw [--prompts 300000] [--quick] [--database sqlite|postgresql]`. The corpus is shaped
like Safety-Prompts (tests/performance/pairs.py) and imported by the stage, one of a few prompts beside it, into a new
installation. In the same process copies of its texts, without indexes, are blanked by one UPDATE a table, then the
stage `withdraw` does all it does. The memory is by how much the process grew meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.helpers.installation import installed, postgres_database
from tests.performance import common, pairs

WITHDRAW = """
import json, re, sys, time
from pathlib import Path
import django
django.setup()
from django.db import connection, transaction
from annotation.models import Corpus, Prompt, Response
from annotation.searching import matching
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
def done(stage, **values):
    run = service.run_create(stage_name=stage, values=values)
    service.run_start(run)
    began = time.perf_counter()
    run = work_on(run.pk)
    assert run.state == "done", run.error
    return time.perf_counter() - began
def memory(name):
    return int(re.search(rf"{name}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
def bare():
    copies = (("annotation_prompt", "text, folded"), ("annotation_response", "text"))
    with connection.cursor() as cursor:
        for table, texts in copies:
            cursor.execute(f"CREATE TABLE bare_{table} AS SELECT id, {texts} FROM {table}")
        began = time.perf_counter()
        with transaction.atomic():
            for table, texts in copies:
                cursor.execute(f"UPDATE bare_{table} SET " + ", ".join(f"{name}=''" for name in texts.split(", ")))
        seconds = time.perf_counter() - began
        for table, _ in copies:
            cursor.execute(f"DROP TABLE bare_{table}")
    return seconds
stays, goes = sys.argv[1:]
for path in (stays, goes):
    done("import", files=[{"path": path, "format": "safety_prompts"}])
small, large = Corpus.objects.order_by("id")
kept, gone = small.prompts.latest("pk").text, large.prompts.latest("pk").text
count = large.prompts.count()
baseline = bare()
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
held = memory("VmRSS")
seconds = done("withdraw", corpus=large.pk)
growth = memory("VmHWM") - held
assert not Prompt.objects.filter(corpus=large).exclude(text="", folded="").exists()
assert not Response.objects.filter(prompt__corpus=large).exclude(text="").exists()
assert matching(Prompt.objects.all(), kept).exists() and not matching(Prompt.objects.all(), gone).exists()
print(json.dumps({"prompts": count, "seconds": seconds, "bare": baseline, "growth": growth}))
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true", help="30,000 prompts")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args(arguments)
    common.setup_django()
    count = 30_000 if options.quick else options.prompts
    both = ["sqlite", *(["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])]
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as name:
        folder = Path(name)
        pairs.write(folder / "stays.json", pairs=1000, seed=1)
        pairs.write(folder / "goes.json", pairs=round(count / (1 - pairs.REPEATED)))
        names = [options.database] if options.database else both
        found = {one: measured(one, folder) for one in names}
    rows = [
        (name, f"{one['prompts']:,}", f"{one['bare']:.1f}", f"{one['seconds']:.1f}", f"{one['growth']:.0f}")
        for name, one in found.items()
    ]
    common.print_table(("database", "prompts", "bare UPDATE, s", "withdrawal, s", "memory, MB"), rows)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return common.end(facts(found))


def facts(found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What the last line says; None for a database that was not measured."""
    said: dict[str, Any] = {}
    for name in ("sqlite", "postgresql"):
        one = found.get(name)
        said[f"{name}_s"] = round(one["seconds"], 1) if one else None
        said[f"{name}_bare_s"] = round(one["bare"], 1) if one else None
        said[f"{name}_prompts_per_s"] = round(one["prompts"] / one["seconds"]) if one else None
    return {**said, "rss_growth_mb": round(max(one["growth"] for one in found.values()))}


def measured(name: str, folder: Path) -> dict[str, float]:
    """One import and withdrawal in a process and installation of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if name == "postgresql" else ""
        made = stack.enter_context(installed(folder / name, url, DJANGO_SETTINGS_MODULE="madsafe_web.settings"))
        assert made.manage("migrate", "-v0", seconds=300).code == 0
        done = made.start("-c", WITHDRAW, str(folder / "stays.json"), str(folder / "goes.json")).wait(1800)
        assert done.code == 0, done.err
        found: dict[str, float] = json.loads(done.out.strip().splitlines()[-1])
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
