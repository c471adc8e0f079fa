"""Plain functions that make rows for tests. Texts are short and abstract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation.merge.deciding import labels_decide
from annotation.merge.drafts import map_draft_open, map_publish
from annotation.merge.states import Decision
from annotation.models import (
    Category,
    Corpus,
    IntentLabel,
    LabelSuggestion,
    MergeMap,
    Prompt,
    PromptIntent,
    Response,
    Upload,
)
from annotation.pieces import upload_whole
from annotation.reviewing import NewItem, items_add
from annotation.searching import remember
from annotation.text import folded, language, prompt_key, response_key
from madsafe_web.core.llm.parse import label_key
from madsafe_web.core.models import Endpoint, Run, User


class Person(Client):
    """A browser in which `user` is signed in."""

    user: User


def make_user(name: str = "somebody", role: str = User.Role.ANNOTATOR) -> User:
    return User.objects.create(username=name, role=role)


def sign_in(user: User) -> Person:
    person = Person()
    person.force_login(user)
    person.user = user
    return person


def make_endpoint(name: str = "served", base_url: str = "http://127.0.0.1:9/v1", **values: Any) -> Endpoint:
    """A served endpoint, by default one where nobody answers."""
    values = {"backend": "openai_compatible", "model": "m", **values}
    return Endpoint.objects.create(name=name, base_url=base_url, **values)


def make_run(stage: str = "label", state: str = Run.State.DONE, **values: Any) -> Run:
    return Run.objects.create(stage=stage, state=state, **{"actor_name": "test", **values})


def make_corpus(name: str = "Corpus", role: str = Corpus.Role.ALIGNMENT, **values: Any) -> Corpus:
    return Corpus.objects.create(name=name, role=role, **{"format": "alpaca", **values})


def make_upload(user: User, content: bytes = b"[]", name: str = "rows.jsonl") -> Upload:
    """A whole file that was sent and waits to be imported."""
    return upload_whole(user=user, file=SimpleUploadedFile(name, content))


def make_prompts(count: int, corpus: Corpus | None = None, **values: Any) -> list[Prompt]:
    """Prompts "prompt 1", "prompt 2", … of one corpus, in this order; more of the same corpus count on."""
    corpus = corpus or make_corpus()
    held = corpus.prompts.count()
    texts = [f"prompt {number}" for number in range(held + 1, held + count + 1)]
    values = {"language": "en", **values}
    rows = [Prompt(corpus=corpus, key=prompt_key(text), text=text, folded=folded(text), **values) for text in texts]
    return _searchable(Prompt.objects.bulk_create(rows))


def make_prompt(text: str = "a prompt", corpus: Corpus | None = None, **values: Any) -> Prompt:
    corpus = corpus or make_corpus()
    values = {"language": language(text), "folded": folded(text), **values}
    return _searchable([Prompt.objects.create(corpus=corpus, key=prompt_key(text), text=text, **values)])[0]


def _searchable(prompts: list[Prompt]) -> list[Prompt]:
    remember((prompt.pk, prompt.folded) for prompt in prompts)
    return prompts


def make_response(prompt: Prompt, text: str = "a reply", **values: Any) -> Response:
    return Response.objects.create(prompt=prompt, key=response_key(text), text=text, **values)


def make_label(name: str, prompts: Sequence[Prompt] = (), run: Run | None = None) -> IntentLabel:
    """A label on these prompts, behind the labels they have; by the first labelling run, unless another is given."""
    label, _ = IntentLabel.objects.get_or_create(
        key=label_key(name), defaults={"name": name, "language": language(name)}
    )
    if prompts:
        run = run or Run.objects.filter(stage="label").order_by("pk").first() or make_run()
        links = [
            PromptIntent(prompt=one, label=label, run=run, position=one.intents.filter(run=run).count())
            for one in prompts
        ]
        PromptIntent.objects.bulk_create(links)
    return label


def make_suggestion(label: IntentLabel, code: str = "", confidence: float = 0.9) -> LabelSuggestion:
    """A suggestion for a label; without a code: that it is no safety label."""
    category = Category.objects.get(code=code) if code else None
    run = make_run("suggest")
    return LabelSuggestion.objects.create(label=label, run=run, category=category, confidence=confidence)


def make_map(decisions: Mapping[IntentLabel, str] | None = None, *, published: bool = False) -> MergeMap:
    """The draft map with these decisions (category code or DROP) by rule; or published with them."""
    draft = map_draft_open()
    for label, target in (decisions or {}).items():
        seen = {label.pk: draft.entries.get(label=label).revision}
        labels_decide(user=None, seen=seen, decision=Decision(target))
    return map_publish(draft, None) if published else draft


def make_queue(count: int = 1, seats: int = 1, **values: Any) -> None:
    """Items in the review queue: "question 1", "question 2", …"""
    values = {"response": "a reply", "category": "OFF", "language": "en", "source": "Corpus", **values}
    items = [NewItem(subject=str(n), prompt=f"question {n}", **values) for n in range(1, count + 1)]
    items_add("test", items, seats)
