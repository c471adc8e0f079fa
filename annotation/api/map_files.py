"""What differs between two merge maps, a map as a file, and a file or rows of a map taken into the draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.merge.diffs import KINDS, MapDiff, map_diff
from annotation.merge.exports import KINDS as FORMATS
from annotation.merge.exports import map_export
from annotation.merge.imports import Refused, Said, Taken, file_rows, map_import, row_of
from annotation.merge.states import StaleDecision
from annotation.models import MergeMap
from annotation.uploading import on_disk
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict, TooLarge
from madsafe_web.core.api.fields import Body, Text
from madsafe_web.core.api.paging import LARGEST_ID, Keyset, ListQuery
from madsafe_web.core.api.parsing import JsonParser
from madsafe_web.core.api.raw import FILE, RawRenderer
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.textio import BadFile, Record

LARGEST_FILE = 2**24  # bytes of a map: its rows are held in memory
MOST_ENTRIES = 20_000  # of a body
MOST_TOLD = 200  # rejected rows
TARGET = "Category code, DROP, or empty for undecided."


class DiffQuery(ListQuery):
    against = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=LARGEST_ID,
        help_text="Id of the earlier map, 0 for none; without it the map that this one was copied from.",
    )


class ChangedShown(serializers.Serializer[Any]):
    label_id = serializers.IntegerField(source="label")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    before = serializers.CharField(allow_blank=True, help_text=TARGET)
    after = serializers.CharField(allow_blank=True, help_text=TARGET)
    theme_before = serializers.CharField(allow_blank=True, help_text="Common name.")
    theme_after = serializers.CharField(allow_blank=True)
    prompts = serializers.IntegerField(help_text="Prompts that carry it.")


class DiffShown(serializers.Serializer[Any]):
    """Counts of the whole, and a page of the labels."""

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Labels by kind.")
    labels = serializers.IntegerField(help_text="Labels that changed.")
    prompts = serializers.IntegerField(help_text="Prompts that carry any of them.")
    old_version = serializers.IntegerField(allow_null=True)
    new_version = serializers.IntegerField()
    results = ChangedShown(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null: none.")


class MapFileSent(Body):
    file = serializers.FileField(help_text="CSV or JSON, as a map is given as a file; at most 16 MiB.")


class MapRows(Body):
    name = Text(max_length=120, required=False, help_text="Says in the history where they come from.")
    entries = serializers.ListField(
        child=serializers.JSONField(),
        min_length=1,
        max_length=MOST_ENTRIES,
        help_text="Objects with `label` (or `key`), `category` (code, DROP or empty), and where wanted `theme`, `by`.",
    )


class RejectedEntry(serializers.Serializer[Any]):
    file = serializers.CharField(allow_blank=True)
    row = serializers.IntegerField()
    field = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()


class TakenShown(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="Rows.")
    changed = serializers.IntegerField(help_text="Labels about which the draft says something else now.")
    rejected = serializers.IntegerField(help_text="Rows that could not be used; the others were.")
    rejected_rows = RejectedEntry(many=True, help_text=f"The first {MOST_TOLD} of them.")
    step = serializers.IntegerField(allow_null=True, help_text="Of the merge history; null where nothing changed.")


class MapChanges(ListView):
    query_form: ClassVar[type[DiffQuery]] = DiffQuery

    @extend_schema(operation_id="maps_diff", responses=DiffShown, tags=["merge-maps"])
    def get(self, request: Request, pk: int) -> Response:
        """List the labels that two versions treat differently."""
        new = self.row(MergeMap, pk, scoped(self.user, MergeMap).select_related("parent"))
        found = map_diff(self.earlier(new), new)
        pages = Keyset()
        rows = pages.paginate_sequence(found.rows, request, self.asked)
        shown = {**summary(found), "results": rows, "next": pages.next_link()}
        return Response(DiffShown(shown).data)

    def earlier(self, new: MergeMap) -> MergeMap | None:
        """The map to compare with. Raises ValidationError where there is none of this id."""
        if "against" not in self.asked:
            return new.parent
        wanted = self.asked["against"]
        found = scoped(self.user, MergeMap).filter(pk=wanted).first()
        if wanted and found is None:
            raise ValidationError({"against": ["There is no such map."]})
        return found


def summary(found: MapDiff) -> dict[str, Any]:
    return {
        "counts": {kind: found.counts.get(kind, 0) for kind in KINDS},
        "labels": len(found.rows),
        "prompts": found.prompts,
        "old_version": found.old.version if found.old else None,
        "new_version": found.new.version,
    }


class MapFile(ApiView):
    read_right = "export"
    renderer_classes = (RawRenderer,)

    @extend_schema(operation_id="maps_file", responses=FILE, tags=["merge-maps"])
    def get(self, request: Request, pk: int, kind: str) -> HttpResponse:
        """Fetch a map as a file: `csv` or `json`. The audit record notes who did."""
        found = self.row(MergeMap, pk, scoped(self.user, MergeMap).select_related("parent", "author", "taxonomy"))
        if kind not in FORMATS:
            raise Http404
        pieces = map_export(user=self.user, merge_map=found, kind=kind)
        response = StreamingHttpResponse(pieces, content_type="application/octet-stream")
        response.headers["Content-Disposition"] = content_disposition_header(True, f"map-{found}.{kind}") or ""
        return cast(HttpResponse, response)  # a streamed response, which only Django's types tell apart


class MapImport(ApiView):
    write_right = "publish"
    parser_classes = (JsonParser, MultiPartParser)

    @extend_schema(
        operation_id="maps_import",
        request={"multipart/form-data": MapFileSent, "application/json": MapRows},
        responses=TakenShown,
        tags=["merge-maps"],
    )
    def post(self, request: Request) -> Response:
        """Make the draft say what a file or rows of a map say: one step, which is taken back as a whole.

        Rows that cannot be used are told and left out. 409 when somebody decided about a label meanwhile.
        """
        if "multipart" not in (request.content_type or ""):
            wanted = self.body(MapRows)
            rows = [row_of(number, Record(number, row)) for number, row in enumerate(wanted["entries"], 1)]
            return self.once(lambda: self.take(rows, wanted.get("name", "") or "API", ""))
        file = self.body(MapFileSent)["file"]
        if (file.size or 0) > LARGEST_FILE:
            raise TooLarge(f"A map has at most {LARGEST_FILE // 2**20} MiB.")
        return self.once(lambda: self.take_file(file))

    def take_file(self, file: UploadedFile[bytes]) -> Response:
        with on_disk(file) as path:
            try:
                return self.take(file_rows(path), path.name, path.name)
            except BadFile as error:
                raise ValidationError({"file": [str(error)]}) from None

    def take(self, rows: Iterable[Said | Refused], name: str, file: str) -> Response:
        try:
            taken = map_import(user=self.user, rows=rows, name=name)
        except StaleDecision as error:
            raise Conflict(f"Somebody decided about “{error}” meanwhile. Nothing was changed.") from None
        return Response(TakenShown(taken_json(taken, file)).data)


def taken_json(taken: Taken, file: str) -> dict[str, Any]:
    return {
        "read": taken.read,
        "changed": taken.changed,
        "rejected": len(taken.refused),
        "rejected_rows": rejected_rows(taken.refused[:MOST_TOLD], file),
        "step": taken.step.pk if taken.step else None,
    }


def rejected_rows(rows: Sequence[Refused], file: str) -> list[dict[str, Any]]:
    return [{"file": file, "row": one.row, "field": one.field, "reason": one.reason} for one in rows]
