"""Alignment sets and their files."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import scoped
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.raw import FILE, RawRenderer
from madsafe_web.core.api.views import ApiView, ListView
from pipeline import set_pages
from pipeline.models import AlignmentSet

PLAIN = ("id", "name", "state", "sha256", "offline_rules", "created", "frozen")
FILES = ("export", "card")


class SetLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=AlignmentSet.State.choices)
    sha256 = serializers.CharField(allow_blank=True, help_text="Of the frozen file.")
    offline_rules = serializers.BooleanField(help_text="Made by the offline rules: never to be published.")
    created = serializers.DateTimeField()
    frozen = serializers.DateTimeField(allow_null=True)
    safety = serializers.IntegerField(help_text="Samples for safety.")
    general = serializers.IntegerField(help_text="Samples that keep the model useful.")
    map_version = serializers.IntegerField(allow_null=True)


class RuleShown(serializers.Serializer[Any]):
    """What one rule of the selection took out and left."""

    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)
    removed = serializers.IntegerField()
    left = serializers.IntegerField()


class LeakShown(serializers.Serializer[Any]):
    """Prompts that repeated a benchmark's and were taken out before the selection."""

    benchmark = serializers.CharField()
    exact = serializers.IntegerField()
    near = serializers.IntegerField()
    removed = serializers.IntegerField()


class SetDetail(SetLine):
    rule = serializers.DictField(help_text="The parameters of the selection.")
    rules = RuleShown(many=True)
    leaks = LeakShown(many=True)
    files = serializers.ListField(child=serializers.ChoiceField(choices=FILES), help_text="Those that are there.")
    run = serializers.IntegerField(help_text="Id of the run that selected it.")
    trainings = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of the trainings on it.")


class SetQuery(ListQuery):
    state = serializers.ChoiceField(choices=AlignmentSet.State.choices, required=False)


def set_lines(sets: list[AlignmentSet]) -> list[dict[str, Any]]:
    """Sets, each with its map, as lines of a list, in one query."""
    held = set_pages.sample_counts(sets)
    return [dict(SetLine(facts(one, held[one.pk])).data) for one in sets]


def facts(made: AlignmentSet, held: tuple[int, int]) -> dict[str, Any]:
    return {
        **{name: getattr(made, name) for name in PLAIN},
        "safety": held[0],
        "general": held[1],
        "map_version": made.merge_map.version if made.merge_map else None,
    }


class Sets(ListView):
    query_form = SetQuery

    @extend_schema(operation_id="sets_list", responses=SetLine(many=True))
    def get(self, request: Request) -> Response:
        """List the alignment sets."""
        wanted = {"state": self.asked["state"]} if "state" in self.asked else {}
        rows = scoped(self.user, AlignmentSet).select_related("merge_map").filter(**wanted)
        return self.page(rows, set_lines)


class SetOne(ApiView):
    @extend_schema(operation_id="sets_get", responses=SetDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show an alignment set with its rules, and what they took out."""
        made = self.row(AlignmentSet, pk, scoped(self.user, AlignmentSet).select_related("merge_map"))
        held = set_pages.sample_counts([made])[made.pk]
        shown = {
            **facts(made, held),
            "rule": made.rule,
            "rules": set_pages.rules(made, held[0]),
            "leaks": set_pages.leaks(made),
            "files": [kind for kind in FILES if set_pages.file_of(made, kind)],
            "run": made.run_id,
            "trainings": [one.id for one in set_pages.trainings(made)],
        }
        return Response(SetDetail(shown).data)


class SetFile(ApiView):
    read_right = "export"
    renderer_classes = (RawRenderer,)

    @extend_schema(
        operation_id="sets_file",
        responses=FILE,
    )
    def get(self, request: Request, pk: int, kind: str) -> Any:
        """Fetch a file of a set: `export` or `card`. The audit record notes who did."""
        made = self.row(AlignmentSet, pk)
        path = set_pages.file_of(made, kind)
        if path is None:
            raise Http404
        set_pages.download_note(user=self.user, made=made, path=path)
        return FileResponse(
            path.open("rb"), as_attachment=True, filename=path.name, content_type="application/octet-stream"
        )
