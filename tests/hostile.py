"""Texts that try to be more than text, inert and abstract, and a small installation that holds them everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from annotation.models import IntentLabel, PromptIntent, RejectedImport
from annotation.reviewing import NewItem, items_add
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Endpoint, Generation, RowTrail, Run, RunEvent, RunRow, WorkerPulse
from pipeline.models import AlignmentSet, TrainingRun
from tests.factories import make_corpus, make_prompt, make_response, make_run, make_suggestion
from tests.pipeline.sets import made_set, training_run
from tests.world import World, make_world

HOSTILE = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//x.invalid/a.js></sCrIpT>",
    "</script><script>alert(2)</script>",
    "</title><script>alert(3)</script>",
    "</textarea><img src=x onerror=alert(4)>",
    "<!--<img src='--><img src=x onerror=alert(5)>'>",
    "]]><svg onload=alert(6)>",
    "<svg onload=alert(7)>",
    "<svg><style><img src=x onerror=alert(8)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(9)>",
    "<img src=x onerror=alert(10)>",
    "<iframe srcdoc='<script>alert(11)</script>'></iframe>",
    "<a href='javascript:alert(12)'>a link</a>",
    "javascript:alert(13)",
    "data:text/html,<script>alert(14)</script>",
    "<form action=//x.invalid><input name=q>",
    "<base href=//x.invalid/>",
    "<meta http-equiv=refresh content='0;url=//x.invalid'>",
    "<link rel=stylesheet href=//x.invalid/a.css>",
    "<style>*{display:none}</style>",
    "<div style=position:fixed>over all</div>",
    "<p hx-get=/ hx-trigger=load>htmx</p>",
    "<p hx-on:click=alert(15)>htmx</p>",
    "<template><b>t</b></template><dialog open>d</dialog>",
    '" onmouseover="alert(16)',
    "' autofocus onfocus='alert(17)",
    "` onclick=`alert(18)",
    '"><b>bold</b>',
    "'><i>slanted</i>",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    '{% load i18n %}{% now "Y" %}{{ request.user }}',
    "%(x)s %s {0} {name} %{y}",
    "&lt;script&gt;alert(19)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(20)&#62;",
    "\u202eright to left\u202c then left",
    "zero\u200bwidth\u2060and\ufeffmarks",
    "@--accent",
    '=HYPERLINK("//x.invalid")',
    "\\u003cscript\\u003ealert(21)\\u003c/script\\u003e \u2028 \u2029",
    "<b>" * 300 + "x" * 3000,
)
# As many, of the same lengths, that are nothing but words.
PLAIN = tuple((f"{number} " + "word " * len(text))[: len(text)].strip() for number, text in enumerate(HOSTILE))


@dataclass(frozen=True, slots=True)
class Held:
    """`pages` are the addresses of the pages of the objects with each text; `world` as in tests/world.py."""

    world: World
    pages: list[list[tuple[str, list[object]]]]


def make_hostile_world(folder: Path, texts: Sequence[str]) -> Held:
    """The installation of tests/world.py and, for every text, one of each thing that shows a text."""
    world = make_world(folder)
    AlignmentSet.objects.update(name=texts[0][:120], file=f"sets/{texts[0][:40]}")
    pages = [_things(number, text) for number, text in enumerate(texts)]
    items = [
        NewItem(f"h{n}", text, text, source=text[:120], hidden={"judge": text, "model": text})
        for n, text in enumerate(texts)
    ]
    items_add("test", items, 1)
    # Heard of, however long the tests take: else the band about missing workers comes in between.
    WorkerPulse.objects.create(name="w", at=timezone.now() + timedelta(hours=1))
    return Held(world, pages)


def _things(number: int, text: str) -> list[tuple[str, list[object]]]:
    """One of each thing with the text; gives the addresses of their pages."""
    name = f"{text[:50]} {number}"
    run = make_run("label", Run.State.FAILED, error=text, actor_name=text[:150], params={text[:60]: [text], "y": text})
    RunEvent.objects.create(run=run, text=text[:500])
    RunRow.objects.create(run=run, subject="1", outcome="error", error_class=text[:40], message=text[:500])
    said = {"text": text, "reasoning": text, "finish": text[:16], "model": text[:300]}
    asked = Endpoint.objects.create(name=f"{name} asked", backend="rules")
    reply = Generation.objects.create(call_key=f"{number:032}", run=run, endpoint=asked, **said)
    RowTrail.objects.create(run=run, subject="1", reply=reply.call_key, refused_by=text[:60], answered_by=text[:60])
    corpus = make_corpus(name, licence=text[:80], file_name=text[:200], split=text[:20], sha256="ab" * 32)
    RejectedImport.objects.create(run=run, corpus=corpus, row=1, field=text[:60], reason=text[:300])
    marks = {"scenario": text[:80], "attack_type": text[:40], "source_id": text[:64], "run": run}
    prompt = make_prompt(text, corpus, language="en", **marks)
    make_response(prompt, text, kind=text[:40])
    label = IntentLabel.objects.create(key=f"hostile {number}", name=text[:60], language="en")
    PromptIntent.objects.create(prompt=prompt, label=label, run=run, position=0)
    make_suggestion(label, "OFF")
    Endpoint.objects.create(name=name, backend="rules", model=text[:300], base_url=text[:300], key_env=text[:80])
    made = made_set(name, safety=1, general=1)
    AlignmentSet.objects.filter(pk=made.pk).update(rule={text[:60]: text}, counts={"left_out": {text[:60]: 1}})
    training = training_run("failed", made, points=2, error=text, actor_name=text[:150])
    TrainingRun.objects.filter(run=training).update(base_model=text[:300], config={text[:60]: text})
    audit(None, f"map.{text[:20]}", text[:120], text=text, before={text[:60]: text}, after={text[:60]: [text]})
    return [
        ("runs:detail", [run.pk]),
        ("annotation:corpus", [corpus.pk]),
        ("annotation:prompt", [prompt.pk]),
        ("annotation:label", [label.pk]),
        ("pipeline:set", [made.pk]),
        ("pipeline:training", [training.pk]),
    ]
