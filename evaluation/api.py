"""The results of the newest finished evaluation: base against tuned."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation import selectors
from evaluation.rows import BENCHMARKS
from evaluation.selectors import BenchmarkResult
from madsafe_web.core.access import scoped
from madsafe_web.core.api.views import ApiView
from madsafe_web.core.models import Run

# The columns of evaluation.selectors.category_table, as fields.
NAMES = tuple(name.lower().replace(" (", "_").replace(")", "").replace(" ", "_") for name in selectors.COLUMNS)


def share(help_text: str = "") -> Any:
    return serializers.FloatField(allow_null=True, help_text=help_text)


class ResultRow(serializers.Serializer[Any]):
    """Both models on the same items; shares in 0..1. While verdicts are open there are bounds but no single score."""

    category = serializers.CharField()
    n = serializers.IntegerField()
    base = share("Share of good answers.")
    base_low = share("Lower 95 % bound, also over what people may still decide.")
    base_high = share()
    tuned = share()
    tuned_low = share()
    tuned_high = share()
    difference = share("Tuned less base.")
    difference_low = share()
    difference_high = share()
    p = share("Exact McNemar test.")
    p_holm = share("Corrected over the categories.")
    gained = serializers.IntegerField(help_text="Items that only the tuned model has right.")
    lost = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Answers that wait for people.")
    base_paper = share("What the paper reports.")
    tuned_paper = share()
    gain_paper = share()


class ResultShown(serializers.Serializer[Any]):
    benchmark = serializers.ChoiceField(choices=BENCHMARKS)
    sha256 = serializers.CharField(help_text="Of the frozen benchmark.")
    items = serializers.IntegerField()
    base_endpoint = serializers.CharField()
    tuned_endpoint = serializers.CharField()
    offline_rules = serializers.BooleanField(help_text="Says nothing about a model: never to be published.")
    total = ResultRow()


class ResultList(serializers.Serializer[Any]):
    run = serializers.IntegerField(allow_null=True, help_text="Id of the evaluation; null before the first.")
    results = ResultShown(many=True)


class ResultDetail(ResultShown):
    run = serializers.IntegerField(help_text="Id of the evaluation.")
    settings = serializers.DictField(help_text="How the models were asked.")
    categories = ResultRow(many=True)


def table(result: BenchmarkResult) -> list[dict[str, Any]]:
    """One row a category, the one of all last."""
    return [dict(zip(NAMES, row, strict=True)) for row in selectors.category_table(result).rows]


def facts(result: BenchmarkResult) -> dict[str, Any]:
    names = ("benchmark", "sha256", "items", "base_endpoint", "tuned_endpoint", "offline_rules")
    return {**{name: getattr(result, name) for name in names}, "total": table(result)[-1]}


class ResultView(ApiView):
    def found(self) -> tuple[Run | None, list[BenchmarkResult]]:
        """The newest finished evaluation that this person may see, with its results."""
        run = selectors.newest_run()
        if run is None or not scoped(self.user, Run).filter(pk=run.pk).exists():
            return None, []
        return run, selectors.results(run)


class Results(ResultView):
    @extend_schema(operation_id="results_list", responses=ResultList)
    def get(self, request: Request) -> Response:
        """List the benchmarks of the newest finished evaluation with their scores."""
        run, results = self.found()
        return Response(ResultList({"run": run and run.pk, "results": [facts(one) for one in results]}).data)


class ResultOne(ResultView):
    @extend_schema(operation_id="results_get", responses=ResultDetail)
    def get(self, request: Request, benchmark: str) -> Response:
        """Show one benchmark by category."""
        run, results = self.found()
        result = next((one for one in results if one.benchmark == benchmark), None)
        if run is None or result is None:
            raise Http404
        shown = {**facts(result), "run": run.pk, "settings": result.settings, "categories": table(result)[:-1]}
        return Response(ResultDetail(shown).data)


urlpatterns = [
    path("results/", Results.as_view(), name="results"),
    path("results/<slug:benchmark>/", ResultOne.as_view(), name="result"),
]
