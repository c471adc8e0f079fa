"""What is taken out of the search index of SQLite is gone from its file, down to the last pair of characters."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from annotation import searching
from annotation.models import Prompt
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.factories import make_corpus, make_prompt

pytestmark = pytest.mark.django_db(transaction=True)
RARE = "龘靐齉"  # characters that stand in no other text
WHOLE = RARE[1:]  # those that are kept whole: what two terms begin with is kept once


@pytest.fixture(autouse=True)
def empty_index() -> None:
    """Other tests empty the tables of models alone and leave their texts in the index."""
    searching.rebuild()


def is_sqlite() -> bool:
    """The index of PostgreSQL needs no steps of ours: its vacuum clears it."""
    return connection.vendor == "sqlite"


def indexed(count: int) -> list[int]:
    """Prompts in the index, in transactions of their own, every fifth of them with the rare characters."""
    goes, stays = make_corpus("Goes"), make_corpus("Stays")
    rare = []
    for number in range(count):
        text = f"{RARE}第{number}个" if number % 5 == 0 else f"普通的第{number}个问题"
        prompt = make_prompt(text, goes if number % 5 == 0 else stays, folded=text)
        searching.remember([(prompt.pk, text)])
        rare += [prompt.pk] if number % 5 == 0 else []
    return rare


def blocks_with(char: str) -> int:
    """Blocks of SQLite's index that hold the bytes of a character."""
    if not is_sqlite():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT block FROM {searching.INDEX}_data")
        return sum(char.encode() in block for (block,) in cursor.fetchall())


def test_the_last_step_has_dropped_every_pair_of_what_was_taken_out() -> None:
    rare = indexed(100)
    searching.forget(rare)
    assert [blocks_with(char) > 0 for char in WHOLE] == [is_sqlite()] * 2
    assert searching.merge_step(first=True) == is_sqlite()
    for _ in range(100):
        if not searching.merge_step(first=False):
            break
    assert [blocks_with(char) for char in WHOLE] == [0, 0]
    assert searching.matching(Prompt.objects.all(), "普通").count() == 80


def test_a_withdrawal_leaves_no_pair_of_characters_in_the_file() -> None:
    corpus = Prompt.objects.get(pk=indexed(100)[0]).corpus
    run = service.run_create(stage_name="withdraw", values={"corpus": corpus.pk})
    service.run_start(run)
    run = work_on(run.pk)
    assert run.state == Run.State.DONE, run.error
    assert [blocks_with(char) for char in WHOLE] == [0, 0]
    file = Path(str(connection.settings_dict["NAME"]))
    held = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert [char.encode() in held for char in WHOLE] == [False, False]
