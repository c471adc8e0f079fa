"""The real labels of S-Eval's base prompts, as the runs `label` and `suggest` by the rules leave them."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest

from annotation import selectors, services
from annotation.importers import s_eval
from annotation.importers.base import ImportedRow, ImportOptions
from annotation.models import Prompt
from annotation.text import folded, language, prompt_key
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.parse import SUGGESTION, suggestion
from madsafe_web.core.llm.rules import RULES
from madsafe_web.core.runs.stage import Result
from tests.factories import make_corpus, make_run

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
LINKS, BASE = SHARED / "labels/links.jsonl.gz", SHARED / "s_eval/S-Eval_base_risk_zh_full.jsonl.zip"


def real_labels() -> int:
    """Put prompts, labels and suggestions into the database; the number of labels. Skips without data."""
    if not (LINKS.exists() and BASE.exists()):
        pytest.skip("there are no labels of S-Eval beside the repository (../shared/data/labels)")
    names = defaultdict(list)
    for line in gzip.decompress(LINKS.read_bytes()).decode().splitlines():
        row = json.loads(line)
        names[row["traceid"]].append(row["label"])
    prompts = _prompts(set(names))
    services.intents_add(make_run("label"), [(pk, names[source]) for source, pk in prompts.items()])
    _suggest()
    return len({name for given in names.values() for name in given})


def _prompts(wanted: set[str]) -> dict[str, int]:
    """Id in the source → id here, of the prompts that have labels."""
    corpus = make_corpus("S-Eval", role="benchmark")
    rows: dict[bytes, Prompt] = {}
    for row in s_eval.read(BASE, ImportOptions()):
        if isinstance(row, ImportedRow) and row.source_id in wanted:
            key = prompt_key(row.text)
            held = {"text": row.text, "folded": folded(row.text), "language": language(row.text)}
            rows.setdefault(key, Prompt(corpus=corpus, key=key, source_id=row.source_id, **held))
    made = Prompt.objects.bulk_create(rows.values(), batch_size=1000)
    return {one.source_id: one.pk for one in made}


def _suggest() -> None:
    """What stage `suggest` does with the endpoint `rules`, without its event loop: the browser's holds this thread."""
    run = make_run("suggest")
    found = []
    for _key, row in selectors.label_rows(run, list(selectors.label_keys(run))):
        inputs = {"label": row.name, "examples": "\n".join(row.examples), "categories": ""}
        call = templates.render(f"suggest.{row.language}", inputs, Sampling(max_tokens=120), schema=SUGGESTION)
        reply = RULES["suggest"](call.inputs, "en" if row.language == "en" else "zh")
        found.append(("", row, Result(suggestion(reply))))
    services.suggestions_write(run, found)
