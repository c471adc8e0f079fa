"""One object for each kind of address, for the tests that walk over all pages."""

from __future__ import annotations

from pathlib import Path

from annotation.models import Prompt
from madsafe_web.core.models import User
from madsafe_web.core.runs import lease
from pipeline.models import AlignmentSet
from tests.evaluation.test_results import evaluated
from tests.factories import (
    make_corpus,
    make_endpoint,
    make_label,
    make_map,
    make_prompts,
    make_queue,
    make_run,
    make_suggestion,
    make_user,
)
from tests.pipeline.sets import made_set, training_run
from tests.roles import ROLES

World = dict[str, list[object]]  # full name of an address → its arguments, for every address that takes some
JUDGED = [("OFF", "unsafe", "safe"), ("OFF", "uncertain", "safe"), ("IA", "unsafe", "safe"), ("IA", "safe", "safe")]
LABELS = {"first label": "OFF", "second label": "UB", "third label": "CIA", "fourth label": "PP"}


def make_world(folder: Path) -> World:
    """The objects; the user of each role is called as the role. `folder` is to be the var folder."""
    for role in ROLES[1:]:
        make_user(role, role)
    lease.pulse()
    prompts = make_prompts(8, make_corpus("Some corpus"), scenario="Some scenario")
    run = make_run("label")
    # The more prompts a label has, the further up it stands.
    labels = [make_label(name, prompts[: 8 - 2 * place], run) for place, name in enumerate(LABELS)]
    for label in labels:
        make_suggestion(label, LABELS[label.name])
    made = made_set()
    (folder / "set.md").write_text("a card", encoding="utf-8")
    AlignmentSet.objects.filter(pk=made.pk).update(file="set.jsonl")
    training = training_run("done", made, points=12)
    evaluated("safetybench", [("OFF", True, False), ("IA", False, True)])
    evaluated("new_safety", JUDGED)
    make_queue(3)
    published = make_map(published=True)
    endpoint = make_endpoint()
    return {
        **api_world(run.pk, made.pk, training.pk, labels[0].pk, prompts[0], published.pk, endpoint.pk),
        **{f"llm:endpoint{part}": [endpoint.pk] for part in ("", "-try")},
        **{f"runs:{verb}": [run.pk] for verb in ("detail", "progress", "pause", "resume", "cancel")},
        **{f"pipeline:training{part}": [training.pk] for part in ("", "-progress", "-stop")},
        "pipeline:set": [made.pk],
        "pipeline:set-file": [made.pk, "card"],
        "annotation:corpus": [prompts[0].corpus_id],
        "annotation:prompt": [prompts[0].pk],
        "annotation:label": [labels[0].pk],
        "evaluation:results-csv": ["safetybench"],
    }


def api_world(run: int, made: int, training: int, label: int, prompt: Prompt, merge_map: int, endpoint: int) -> World:
    """The objects of the API's addresses, which are those of the pages."""
    return {
        "api:run": [run],
        **{f"api:run-{verb}": [run] for verb in ("start", "pause", "resume", "cancel")},
        "api:endpoint": [endpoint],
        "api:user": [User.objects.get(username="lead").pk],
        "api:corpus": [prompt.corpus_id],
        "api:prompt": [prompt.pk],
        "api:label": [label],
        **{f"api:map{part}": [merge_map] for part in ("", "-entries", "-publish", "-finish")},
        "api:set": [made],
        "api:set-file": [made, "card"],
        "api:training": [training],
        "api:training-stop": [training],
        "api:result": ["safetybench"],
    }
