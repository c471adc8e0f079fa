"""300,000 prompts with 450,000 links to 2,000 labels, all neutral; and what `merge.py` measures inside a process.

`python -m tests.performance.merge_data fill|rewrite|cluster [--prompts N]` prints what it measured as a JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, product
from random import Random

from tests.performance import common, explorer_data
from tests.performance.explorer_data import DEEDS, PLACES, insert, words

LABELS = 2000
MERGED = 0.4  # links of the merged labels for each prompt
LEAD, PASSWORD = "lead", "a password for measuring only"
THINGS = words("river hill library station school park market kitchen balcony harbour museum garden office bridge lake")
ACTS = words("reading walking painting cooking music planting stars letters cleaning repairs lectures photos tea chess")
ENDS, ENGLISH_ENDS = ("", "问题", "行为", "类", "建议"), ("", " issues", " advice")
PROMPT_COLUMNS = words(
    "id corpus_id key text folded language source_id scenario attack_type origin payload state parents"
)
ATTACKS = ("", "", "role play", "in other words")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["fill", "rewrite", "cluster"])
    parser.add_argument("--prompts", type=int, default=300_000)
    options = parser.parse_args(arguments)
    common.setup_django()
    parts = {"fill": lambda: fill(Random(6), options.prompts), "rewrite": rewritten_ms, "cluster": cluster_s}
    print(json.dumps(parts[options.part]()), flush=True)
    return common.EXIT_MEASURED


def names() -> list[str]:
    """The labels: what is done where, in both languages, with and without a word at the end."""
    chinese = [f"{place}{deed}{end}" for place, deed, end in product(PLACES, DEEDS, ENDS)]
    english = [f"{thing} {act}{end}" for thing, act, end in product(THINGS, ACTS, ENGLISH_ENDS)]
    return Random(2).sample([*chinese, *english], LABELS)


def fill(random: Random, prompts: int) -> float:
    """Write everything, with a draft map in which nothing is decided; the seconds it took."""
    from annotation.models import Corpus, IntentLabel, Prompt, PromptIntent
    from annotation.text import language
    from madsafe_web.core.llm.parse import label_key
    from madsafe_web.core.models import Run, User

    began = time.perf_counter()
    User.objects.create_user(LEAD, password=PASSWORD, role=User.Role.LEAD)
    Corpus.objects.bulk_create([Corpus(pk=n, name=f"Corpus {n}", format="alpaca", role="alignment") for n in (1, 2, 3)])
    run = Run.objects.create(stage="label", state=Run.State.DONE, actor_name="test")
    named = names()
    IntentLabel.objects.bulk_create(
        IntentLabel(pk=n, key=label_key(name), name=name, language=language(name)) for n, name in enumerate(named, 1)
    )
    links = list(_links(random, prompts))
    first = {prompt: label for prompt, label in reversed(links)}
    insert(Prompt, PROMPT_COLUMNS, _prompts(random, prompts, named, first))
    rows = ((n, prompt, label, run.pk, n % 2) for n, (prompt, label) in enumerate(links, 1))
    insert(PromptIntent, words("id prompt_id label_id run_id position"), rows)
    _suggest(random)
    return round(time.perf_counter() - began, 1)


def _links(random: Random, prompts: int) -> Iterator[tuple[int, int]]:
    """One or two labels a prompt, the n-th label 1/n as often as the first."""
    weights = list(accumulate(1 / n for n in range(1, LABELS + 1)))
    drawn = iter(random.choices(range(1, LABELS + 1), cum_weights=weights, k=4 * prompts))
    for prompt in range(1, prompts + 1):
        yield prompt, (label := next(drawn))
        if prompt % 2:
            yield prompt, next(other for other in drawn if other != label)


def _prompts(random: Random, prompts: int, named: Sequence[str], first: dict[int, int]) -> Iterator[tuple[object, ...]]:
    from annotation.text import folded, prompt_key

    sentences = explorer_data.sentences(random)
    for pk in range(1, prompts + 1):
        text = f"{named[first[pk] - 1]}：{next(sentences)}"
        source = (str(pk), f"scenario {pk % 20}", random.choice(ATTACKS))
        yield (pk, pk % 3 + 1, prompt_key(text), text, folded(text), "zh", *source, "imported", "{}", "active", "[]")


def _suggest(random: Random) -> None:
    from annotation.merge.drafts import map_draft_open
    from annotation.models import Category, LabelSuggestion
    from madsafe_web.core.models import Run

    run = Run.objects.create(stage="suggest", state=Run.State.DONE, actor_name="test")
    codes = list(Category.objects.values_list("pk", flat=True))
    suggestions = [
        LabelSuggestion(label_id=pk, run=run, category_id=codes[pk % len(codes)], confidence=random.random())
        for pk in range(1, LABELS + 1)
    ]
    LabelSuggestion.objects.bulk_create(suggestions)
    map_draft_open()


def rewritten_ms() -> float:
    """Milliseconds to write a category into every link of the merged labels, in a table made for it."""
    from django.db import connection

    merged = ", ".join(map(str, merged_labels()))
    with connection.cursor() as cursor:
        columns = "id, prompt_id, label_id, 'undecided' AS category"
        cursor.execute(f"CREATE TABLE rewritten AS SELECT {columns} FROM annotation_promptintent")
        cursor.execute("CREATE INDEX rewritten_label ON rewritten (label_id)")
        cursor.execute("CREATE INDEX rewritten_category ON rewritten (category)")
        began = time.perf_counter()
        cursor.execute(f"UPDATE rewritten SET category = 'decided' WHERE label_id IN ({merged})")
        took = 1000 * (time.perf_counter() - began)
        cursor.execute("DROP TABLE rewritten")
    return round(took, 1)


def merged_labels() -> list[int]:
    """The most frequent labels, as many as have four links for ten prompts together."""
    from annotation.models import Prompt, PromptIntent

    least, links, found = MERGED * Prompt.objects.count(), 0, []
    for pk in count(1):
        if links >= least:
            return found
        links += PromptIntent.objects.filter(label=pk).count()
        found.append(pk)
    raise AssertionError("there are not enough links")


def cluster_s() -> float:
    """Seconds for all proposers that go by names, their libraries loaded before."""
    from annotation.clustering.proposers.base import Material
    from annotation.clustering.proposing import proposed

    named = names()
    proposed(Material(named[:50]))
    began = time.perf_counter()
    proposed(Material(named))
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
