"""Real prompts are found as LIKE finds them, on SQLite and on PostgreSQL whatever locale its database was made with."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.helpers.installation import ROOT, Installation, import_of, installed

pytestmark = pytest.mark.slow
SOURCE = ROOT.parent / "shared" / "data" / "s_eval" / "S-Eval_base_risk_zh_full.jsonl.zip"
WORDS = 50
# Hits of every word: by the search, and by LIKE on the folded text, both as sorted ids.
COMPARE = """
import json
from pathlib import Path
from django.db import connection
from annotation.models import Prompt
from annotation.searching import matching
for word in json.loads(Path("WORDS").read_text(encoding="utf-8")):
    hits = list(matching(Prompt.objects.order_by("pk"), word).values_list("pk", flat=True))
    pattern = "%" + "".join("!" + c if c in "!%_" else c for c in word) + "%"
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM annotation_prompt WHERE folded LIKE %s ESCAPE '!' ORDER BY id", [pattern])
        like = [pk for (pk,) in cursor.fetchall()]
    print("word", len(hits), len(like), hits == like, ascii(word))
"""


@pytest.fixture(params=["sqlite", "C", "C.UTF-8"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation with the real prompts in it."""
    if not SOURCE.is_file():
        pytest.skip("the public data beside the repository is not here")
    with ExitStack() as stack:
        url = "" if request.param == "sqlite" else stack.enter_context(database_of(request.param))
        made = stack.enter_context(installed(tmp_path / "installation", url)).migrated()
        chain = made.chain([import_of(SOURCE, name="prompts")])
        assert made.manage("run_pipeline", chain, "--json").code == 0
        yield made


@contextmanager
def database_of(locale: str) -> Iterator[str]:
    """The URL of a new database with that LC_CTYPE; skips where there is no server."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        pytest.skip("TEST_POSTGRES_URL is not set")
    import psycopg

    name = f"madsafe_test_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE '{locale}' LC_CTYPE '{locale}'"
        )
    try:
        yield f"{url.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def words(place: Installation) -> list[str]:
    """Pieces of one to six characters of the stored texts, some of them of two scripts or with punctuation."""
    texts = [text for (text,) in place.rows("SELECT folded FROM annotation_prompt ORDER BY id")]
    chance = random.Random(20261124)
    found: list[str] = []
    while len(found) < WORDS:
        text, length = chance.choice(texts), len(found) % 6 + 1
        start = chance.randrange(max(1, len(text) - length))
        piece = text[start : start + length]
        if len(piece) == length and piece == piece.strip() and piece not in found:
            found.append(piece)
    assert any(re.search(r"[^\w]", piece) for piece in found)
    return found


def test_fifty_words_are_found_as_like_finds_them(place: Installation, tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(words(place), ensure_ascii=False), encoding="utf-8")
    done = place.manage("shell", "-v0", "-c", COMPARE.replace("WORDS", str(path)))
    lines = [line for line in done.out.splitlines() if line.startswith("word ")]
    assert len(lines) == WORDS, done.err
    assert [line for line in lines if " True " not in line or line.startswith("word 0 ")] == []
