"""SIGKILL at random moments of an import: resumed, it stores what an undisturbed one stores."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest

from tests.helpers.installation import Installation
from tests.performance import pairs

pytestmark = pytest.mark.slow
PAIRS, KILLS = 60_000, 10
BATCH = 500  # rows of a commit, so that a kill finds the import somewhere in the middle
IMPORT = f"""
import sys
import django
django.setup()
from django.core.management import call_command
from annotation import feeding
from tests.chaos import dying
feeding.BATCH_ROWS = {BATCH}
dying.after_commits(int(sys.argv[2]), float(sys.argv[3]))
call_command("import_corpus", "safety_prompts", sys.argv[1], "--name", "pairs", "--json")
"""
STORED = (
    "SELECT (SELECT COUNT(*) FROM annotation_prompt), (SELECT COUNT(*) FROM annotation_response), "
    "(SELECT COUNT(*) FROM annotation_rejectedimport), (SELECT COUNT(DISTINCT key) FROM annotation_prompt), "
    "(SELECT COUNT(DISTINCT key) FROM annotation_response)"
)
READ = "SELECT COALESCE(SUM(read), 0) FROM core_chunk"


@pytest.mark.timeout(600)
def test_an_import_killed_ten_times_stores_what_an_undisturbed_one_does(
    places: list[Installation], tmp_path: Path
) -> None:
    quiet, killed = places
    path = source(tmp_path)
    undisturbed = finish(quiet, path)
    chance = random.Random(20261124)
    for mark in sorted(chance.sample(range(BATCH, PAIRS // 2, BATCH), KILLS)):
        kill_at(killed, path, mark, chance.random() * 0.05)
    assert 0 < killed.one(READ) < PAIRS
    assert finish(killed, path) == undisturbed
    assert killed.rows(STORED) == quiet.rows(STORED)
    assert keys(killed) == keys(quiet)


def source(folder: Path) -> Path:
    """Pairs with some rows that are refused."""
    path = folder / "pairs.json"
    pairs.write(path, pairs=PAIRS, longest_reply=40)
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(text[:-1] + ', "Refused": [{"prompt": 1}, {"prompt": ""}, 3]}', encoding="utf-8")
    return path


def finish(place: Installation, path: Path) -> dict[str, object]:
    """What the import comes to, without the number of its corpus."""
    done = place.start("-c", IMPORT, str(path), "0", "0").wait(300)
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out.strip().splitlines()[-1])
    return found


def kill_at(place: Installation, path: Path, mark: int, seconds: float) -> None:
    """An import killed some moment after it has read so many rows, and more than before."""
    commits = max(1, -(-(mark - place.one(READ)) // BATCH))
    done = place.start("-c", IMPORT, str(path), str(commits), str(seconds)).wait(300)
    assert done.code == -signal.SIGKILL, done.err


def keys(place: Installation) -> list[tuple[bytes, ...]]:
    """Each response's key with that of its prompt."""
    found = place.rows("SELECT p.key, r.key FROM annotation_response r JOIN annotation_prompt p ON p.id = r.prompt_id")
    return sorted(tuple(map(bytes, row)) for row in found)
