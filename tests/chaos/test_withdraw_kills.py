"""SIGKILL at random moments of a withdrawal: resumed, it leaves what an undisturbed one leaves, and no text."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.helpers.installation import Installation
from tests.performance import pairs

pytestmark = pytest.mark.slow
PAIRS, KILLS = 6_000, 6
BATCH = 100  # rows of a commit, so that a kill finds the withdrawal somewhere in the middle
PREPARE = """
import sys
import django
django.setup()
from annotation.models import Corpus, Prompt, Response
from annotation.searching import remember
from annotation.text import folded, prompt_key, response_key
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
for path in sys.argv[1:]:
    run = service.run_create(stage_name="import", values={"files": [{"path": path, "format": "safety_prompts"}]})
    service.run_start(run)
    assert work_on(run.pk).state == "done"
gone = Corpus.objects.get(name="goes.json")
home = Corpus.objects.create(name="Generated", format="generated", role="alignment")
for number, parent in enumerate(gone.prompts.order_by("id")[:500]):
    text = f"made from it {number}"
    values = {"key": prompt_key(text), "text": text, "folded": folded(text), "language": "en", "origin": "generated"}
    child = Prompt.objects.create(corpus=home, parents=[parent.pk], **values)
    remember([(child.pk, child.folded)])
    Response.objects.create(prompt=child, text=text, key=response_key(text))
service.run_create(stage_name="withdraw", values={"corpus": gone.pk})
"""
WITHDRAW = f"""
import sys
import django
django.setup()
from annotation import withdrawing
from tests.chaos import dying
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
withdrawing.BATCH_ROWS = {BATCH}
dying.after_commits(int(sys.argv[1]), float(sys.argv[2]))
run = Run.objects.get(stage="withdraw")
service.run_start(run)
run = work_on(run.pk)
assert run.state == "done", run.error or run.state
"""
READ = "SELECT COALESCE(SUM(c.read), 0) FROM core_chunk c JOIN core_run r ON r.id = c.run_id WHERE r.stage = 'withdraw'"
LEFT = (
    "SELECT p.corpus_id, p.state, p.text, p.folded, r.text, COUNT(*), COUNT(DISTINCT p.key), COUNT(DISTINCT r.key) "
    "FROM annotation_prompt p LEFT JOIN annotation_response r ON r.prompt_id = p.id "
    "GROUP BY p.corpus_id, p.state, p.text, p.folded, r.text ORDER BY p.corpus_id, p.state, p.text, r.text"
)
COUNTED = (
    "SELECT r.state, r.total, c.read, c.kept, (SELECT COUNT(*) FROM core_auditevent WHERE verb = 'corpus.withdrawn'), "
    "(SELECT COUNT(*) FROM annotation_corpus WHERE withdrawn IS NOT NULL), "
    "(SELECT COUNT(*) FROM annotation_rejectedimport WHERE raw <> '') "
    "FROM core_run r JOIN core_chunk c ON c.run_id = r.id WHERE r.stage = 'withdraw'"
)


@pytest.mark.timeout(600)
def test_a_withdrawal_killed_several_times_leaves_what_an_undisturbed_one_does(
    places: list[Installation], tmp_path: Path
) -> None:
    quiet, killed = places
    for place in places:
        prepare(place, tmp_path)
    finish(quiet)
    chance = random.Random(20261124)
    whole = quiet.one(READ)
    for mark in sorted(chance.sample(range(BATCH, whole * 6 // 10, BATCH), KILLS)):
        kill_at(killed, mark, chance.random() * 0.03)
    assert 0 < killed.one(READ) < whole
    finish(killed)
    assert killed.rows(COUNTED) == quiet.rows(COUNTED)
    assert killed.rows(LEFT) == quiet.rows(LEFT)
    assert killed.one("SELECT COUNT(*) FROM annotation_prompt WHERE text = ''") == whole


def prepare(place: Installation, folder: Path) -> None:
    """A corpus with rejected rows that goes, one that stays, prompts made of the first, and a run in draft."""
    stays, goes = folder / "stays.json", folder / "goes.json"
    pairs.write(stays, pairs=20, seed=1, longest_reply=40)
    pairs.write(goes, pairs=PAIRS, longest_reply=40)
    text = goes.read_text(encoding="utf-8").rstrip()
    goes.write_text(text[:-1] + ', "Refused": [{"prompt": 1}, {"prompt": ""}]}', encoding="utf-8")
    done = place.start("-c", PREPARE, str(stays), str(goes)).wait(300)
    assert done.code == 0, done.err


def finish(place: Installation) -> None:
    done = place.start("-c", WITHDRAW, "0", "0").wait(300)
    assert done.code == 0, done.err


def kill_at(place: Installation, mark: int, seconds: float) -> None:
    """A withdrawal killed some moment after it has blanked so many prompts, and more than before."""
    commits = max(1, -(-(mark - place.one(READ)) // BATCH))
    done = place.start("-c", WITHDRAW, str(commits), str(seconds)).wait(300)
    assert done.code == -signal.SIGKILL, done.err
