"""Merge maps: their entries, publishing a draft, and the end of a merge by people."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.merge import drafts
from annotation.merging import merge_finish
from annotation.models import DecidedBy, MapEntry, MergeMap
from annotation.selectors import merge_waiting
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView, ListView, NoBody
from madsafe_web.core.runs.tasks import enqueue


class MapShown(serializers.ModelSerializer[MergeMap]):
    parent_id = serializers.IntegerField(allow_null=True, help_text="The map it was copied from.")

    class Meta:
        model = MergeMap
        fields = ("id", "version", "parent_id", "state", "sha256", "created", "published")
        read_only_fields = fields


class EntryShown(serializers.Serializer[Any]):
    label_id = serializers.IntegerField()
    name = serializers.CharField(source="label.name")
    category = serializers.CharField(source="category.code", default=None, allow_null=True)
    dropped = serializers.BooleanField(help_text="No safety label.")
    decided_by = serializers.ChoiceField(choices=DecidedBy.choices, allow_blank=True)
    revision = serializers.IntegerField()


class MapQuery(ListQuery):
    state = serializers.ChoiceField(choices=MergeMap.State.choices, required=False)


class Maps(ListView):
    query_form = MapQuery

    @extend_schema(operation_id="maps_list", responses=MapShown(many=True), tags=["merge-maps"])
    def get(self, request: Request) -> Response:
        """List the merge maps. At most one is a draft."""
        wanted = {"state": self.asked["state"]} if "state" in self.asked else {}
        return self.page(
            scoped(self.user, MergeMap).filter(**wanted), lambda rows: list(MapShown(rows, many=True).data)
        )


class MapOne(ApiView):
    @extend_schema(operation_id="maps_get", responses=MapShown, tags=["merge-maps"])
    def get(self, request: Request, pk: int) -> Response:
        """Show a merge map."""
        return Response(MapShown(self.row(MergeMap, pk)).data)


class MapEntries(ListView):
    @extend_schema(operation_id="maps_entries_list", responses=EntryShown(many=True), tags=["merge-maps"])
    def get(self, request: Request, pk: int) -> Response:
        """List what a map says about each label."""
        found = self.row(MergeMap, pk)
        rows = scoped(self.user, MapEntry).filter(merge_map=found).select_related("label", "category")
        return self.page(rows, lambda entries: list(EntryShown(entries, many=True).data))


class MapPublish(ApiView):
    write_right = "publish"

    @extend_schema(operation_id="maps_publish", request=NoBody, responses=MapShown, tags=["merge-maps"])
    def post(self, request: Request, pk: int) -> Response:
        """Publish the draft for ever under the hash of its content."""
        self.body(NoBody)
        return self.once(lambda: self.publish(pk))

    def publish(self, pk: int) -> Response:
        draft = self.row(MergeMap, pk)
        if merge_waiting():
            raise Conflict("A merge run waits for people. Finish it instead.")
        return Response(MapShown(drafts.map_publish(draft, self.user)).data)


class MapFinish(ApiView):
    write_right = "publish"

    @extend_schema(operation_id="maps_finish", request=NoBody, responses=RunDetail, tags=["merge-maps"])
    def post(self, request: Request, pk: int) -> Response:
        """Say that people are done with this draft: the merge run that waits for them goes on."""
        self.body(NoBody)
        return self.once(lambda: self.finish(pk))

    def finish(self, pk: int) -> Response:
        self.row(MergeMap, pk)
        run = merge_waiting()
        if run is None or not merge_finish(run, self.user):
            raise Conflict("No merge run waits for people.")
        enqueue(run)
        run.refresh_from_db()
        return Response(run_detail(run))
