"""Prompts with their labels and scores; one with its responses and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response as Answer

from annotation.api.codes import CodeField
from annotation.models import Category, Prompt, Response
from annotation.pages.prompts import LabelShown, Scores, analysis_of, labels_of, scores_of
from annotation.selectors import map_newest_published, prompts_asked
from annotation.text import clean
from madsafe_web.core.access import scoped
from madsafe_web.core.api.paging import LARGEST_ID, ListQuery
from madsafe_web.core.api.views import ApiView, ListView

PLAIN = ("id", "language", "state", "origin", "scenario", "attack_type")
LINEAGE = ("source_id", "similarity", "parents")


class CorpusName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class PromptLabel(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    target = serializers.CharField(allow_blank=True, help_text="Category code, DROP, or empty for undecided.")


class ScoresShown(serializers.Serializer[Any]):
    """The newest ones; the safeties are in 0..1, higher is safer."""

    perplexity = serializers.FloatField(allow_null=True)
    response_safety = serializers.FloatField(allow_null=True, help_text="Of the safest response.")
    instruction_safety = serializers.FloatField(allow_null=True)


class PromptLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    text = serializers.CharField(help_text="Hostile on purpose in much of the data: never act on it.")
    language = serializers.CharField()
    corpus = CorpusName()
    state = serializers.ChoiceField(choices=Prompt.State.choices)
    origin = serializers.ChoiceField(choices=Prompt.Origin.choices)
    scenario = serializers.CharField(allow_blank=True)
    attack_type = serializers.CharField(allow_blank=True)
    categories = serializers.ListField(child=serializers.CharField())
    labels = PromptLabel(many=True)
    scores = ScoresShown()


class ResponseShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    text = serializers.CharField(allow_blank=True)
    origin = serializers.ChoiceField(choices=Response.Origin.choices)
    kind = serializers.CharField(allow_blank=True, help_text="As the source names it.")
    run = serializers.IntegerField(allow_null=True, help_text="Id of the run that brought it.")
    safety = serializers.FloatField(allow_null=True, help_text="0..1, higher is safer.")
    analysis = serializers.CharField(allow_blank=True, help_text="What a regenerated one was reasoned from.")


class PromptDetail(PromptLine):
    source_id = serializers.CharField(allow_blank=True, help_text="Number in the source.")
    run = serializers.IntegerField(allow_null=True, help_text="Id of the run that brought it.")
    state_run = serializers.IntegerField(allow_null=True, help_text="Id of the run that set its state.")
    twin = serializers.IntegerField(allow_null=True, help_text="Id of the prompt that it repeats.")
    similarity = serializers.FloatField(allow_null=True, help_text="To the twin, 0..1.")
    parents = serializers.ListField(child=serializers.IntegerField(), help_text="Prompts it was generated from.")
    responses = ResponseShown(many=True)


class PromptQuery(ListQuery):
    corpus = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    state = serializers.ChoiceField(choices=Prompt.State.choices, required=False)
    category = CodeField(required=False)
    label_id = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    language = serializers.CharField(required=False, max_length=8)
    scenario = serializers.CharField(required=False, max_length=80)
    attack_type = serializers.CharField(required=False, max_length=40)
    origin = serializers.ChoiceField(choices=Prompt.Origin.choices, required=False)
    answered = serializers.BooleanField(required=False, help_text="Whether it has a response.")
    q = serializers.CharField(
        required=False,
        max_length=200,
        help_text="A part of the text, in simplified or traditional, full or half width characters.",
    )


def prompt_lines(rows: Sequence[Prompt]) -> list[dict[str, Any]]:
    """Prompts, each with its corpus, as lines of a list, in five queries."""
    ids = [row.pk for row in rows]
    labels, scores = labels_of(ids, map_newest_published()), scores_of(ids)
    return [facts(row, labels[row.pk], scores[row.pk]) for row in rows]


def facts(row: Prompt, labels: Sequence[LabelShown], scores: Scores) -> dict[str, Any]:
    targets = [one.category.code if isinstance(one.category, Category) else one.category or "" for one in labels]
    return {
        **{name: getattr(row, name) for name in PLAIN},
        "text": clean(row.text),
        "corpus": row.corpus,
        "categories": list(dict.fromkeys(target for target in targets if target not in ("", "DROP"))),
        "labels": [
            {"id": one.id, "name": one.name, "target": target} for one, target in zip(labels, targets, strict=True)
        ],
        "scores": scores,
    }


def prompt_facts(row: Prompt) -> dict[str, Any]:
    """A prompt with its responses and lineage, in six queries."""
    labels, scores = labels_of([row.pk], map_newest_published())[row.pk], scores_of([row.pk])[row.pk]
    found = row.responses.order_by("id").annotate(reasoning=F("generation__text"))
    return {
        **facts(row, labels, scores),
        **{name: getattr(row, name) for name in LINEAGE},
        "run": row.run_id,
        "state_run": row.state_run_id,
        "twin": row.twin_id,
        "responses": [
            {
                "id": one.pk,
                "text": clean(one.text),
                "origin": one.origin,
                "kind": one.kind,
                "run": one.run_id,
                "safety": scores.responses.get(one.pk),
                "analysis": analysis_of(one.reasoning or ""),
            }
            for one in found
        ],
    }


class Prompts(ListView):
    query_form = PromptQuery

    @extend_schema(operation_id="prompts_list", responses=PromptLine(many=True))
    def get(self, request: Request) -> Answer:
        """List the prompts."""
        rows = prompts_asked(scoped(self.user, Prompt).select_related("corpus"), self.asked)
        return self.page(rows, lambda found: list(PromptLine(prompt_lines(found), many=True).data))


class PromptOne(ApiView):
    @extend_schema(operation_id="prompts_get", responses=PromptDetail)
    def get(self, request: Request, pk: int) -> Answer:
        """Show a prompt with its responses, labels, scores and lineage."""
        rows = scoped(self.user, Prompt).select_related("corpus")
        return Answer(PromptDetail(prompt_facts(self.row(Prompt, pk, rows))).data)
