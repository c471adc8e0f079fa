"""One object for each kind of address, for the tests that walk over all pages."""

from __future__ import annotations

from pathlib import Path

from django.db.models import Model

from annotation.merge.deciding import label_comment
from annotation.models import LabelOperation, MergeMap, Prompt
from madsafe_web.admin import site
from madsafe_web.core.accounts.tokens import token_create
from madsafe_web.core.models import PromptTemplate, User
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
    make_upload,
    make_user,
)
from tests.pipeline.sets import made_set, training_run
from tests.roles import ROLES

CORPUS_PARTS = ("", "-use", "-corrected", "-rejects", "-withdraw")
API_USER_PARTS = ("-role", "-disable", "-enable", "-password", "-sign-out")
RUN_VERBS = ("detail", "progress", "pause", "resume", "cancel", "retry", "reread", "failed", "refused", "clone", "edit")
API_RUN_VERBS = ("start", "pause", "resume", "cancel", "retry", "reread", "failed", "budget", "clone")
World = dict[str, list[object]]  # full name of an address → its arguments, for every address that takes some
PROMPTS_PARTS: World = {
    f"annotation:prompts-{part}": [kind] for part, kind in (("facet", "label"), ("page", "json"), ("file", "jsonl"))
}
GUIDELINES: World = {f"annotation:guideline{part}": ["EM"] for part in ("", "-edit")}
TEMPLATES: World = {
    **{f"templates:{part}": ["label.en"] for part in ("template", "edit", "use", "diff")},
    "templates:version": ["label.en", 0],
}
JUDGED = [("OFF", "unsafe", "safe"), ("OFF", "uncertain", "safe"), ("IA", "unsafe", "safe"), ("IA", "safe", "safe")]
LABELS = {"first label": "OFF", "second label": "UB", "third label": "CIA", "fourth label": "PP"}
ROWS = b'{"q": "a prompt", "a": "a reply"}\n{"q": "", "a": "a reply"}\n'
USER_PARTS = ("", "-role", "-disable", "-enable", "-password", "-signout")


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
    published, step = commented_map(labels[3].pk)
    endpoint = make_endpoint()
    person = make_user("somebody else")
    token = token_create(user=User.objects.get(username="annotator"), name="a token", rights=["browse"]).row
    PromptTemplate.objects.create(name="a template", sha256="0" * 64, text="a text")
    return {
        **api_world(run.pk, made.pk, training.pk, labels[0].pk, prompts[0], published.pk, endpoint.pk),
        **{f"api:user{part}": [person.pk] for part in ("", *API_USER_PARTS)},
        **{f"{place}:token-revoke": [token.pk] for place in ("api", "accounts")},
        **dict.fromkeys(("dry:detail", "dry:progress"), [make_run("dry_run", params={"stage": "label"}).pk]),
        **{f"llm:endpoint{part}": [endpoint.pk] for part in ("", "-try")},
        **{f"accounts:user{part}": [person.pk] for part in USER_PARTS},
        **{f"runs:{verb}": [run.pk] for verb in RUN_VERBS},
        **{f"pipeline:training{part}": [training.pk] for part in ("", "-progress", "-stop")},
        "pipeline:set": [made.pk],
        "pipeline:set-file": [made.pk, "card"],
        **{f"annotation:corpus{part}": [prompts[0].corpus_id] for part in CORPUS_PARTS},
        "annotation:prompt": [prompts[0].pk],
        **{**PROMPTS_PARTS, **GUIDELINES, **TEMPLATES, **upload_world(), **maps_world(published.version, step.pk)},
        **{f"annotation:label{part}": [labels[0].pk] for part in ("", "-members")},
        "evaluation:results-csv": ["safetybench"],
        # last, when every object stands
        **{f"admin:{one._meta.app_label}_{one._meta.model_name}_change": [_newest(one)] for one in site._registry},
    }


def commented_map(label: int) -> tuple[MergeMap, LabelOperation]:
    """A published map, and a step of the lead in its history."""
    step = label_comment(user=User.objects.get(username="lead"), label=label, text="a note")
    return make_map(published=True), step


def maps_world(version: int, step: int) -> World:
    """A version of the merge map, which its pages know by its number, and a step of its history."""
    return {
        **{f"api:label-history-{verb}": [step] for verb in ("undo", "redo")},
        **{f"annotation:map{part}": [version] for part in ("", "-changes", "-runs")},
        "annotation:map-file": [version, "csv"],
        "annotation:label-agreement-file": ["figures"],
    }


def upload_world() -> World:
    """A file that the lead sent and did not import yet."""
    token = make_upload(User.objects.get(username="lead"), ROWS).token
    return {f"annotation:upload-{part}": [token] for part in ("preview", "piece")}


def api_world(run: int, made: int, training: int, label: int, prompt: Prompt, merge_map: int, endpoint: int) -> World:
    """The objects of the API's addresses, which are those of the pages."""
    return {
        "api:run": [run],
        **{f"api:run-{verb}": [run] for verb in API_RUN_VERBS},
        "api:endpoint": [endpoint],
        **{f"api:corpus{part}": [prompt.corpus_id] for part in ("", "-rejected", "-withdraw")},
        "api:prompt": [prompt.pk],
        "api:label": [label],
        **{f"api:map{part}": [merge_map] for part in ("", "-entries", "-diff", "-publish", "-finish")},
        "api:map-file": [merge_map, "csv"],
        "api:set": [made],
        "api:set-file": [made, "card"],
        "api:training": [training],
        "api:training-stop": [training],
        "api:result": ["safetybench"],
    }


def _newest(model: type[Model]) -> int:
    return model._default_manager.values_list("pk", flat=True).latest("pk")
