"""The failed rows of a run: read, and asked again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Text
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.runs import RunDetail, RunWrite, run_detail
from madsafe_web.core.api.views import ListView
from madsafe_web.core.models import Run, RunRow
from madsafe_web.core.runs import pages
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.retrying import failed_rows, run_retry

LONGEST_KIND = 40


class FailedRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    subject = serializers.CharField(help_text="Key of the row: for stages that read prompts, the id of the prompt.")
    kind = serializers.CharField(help_text="Class of the error, or how the row ended.")
    message = serializers.CharField(allow_blank=True)


class FailedQuery(ListQuery):
    kind = serializers.CharField(required=False, max_length=LONGEST_KIND, help_text="Only rows of this class.")


class Retry(Body):
    kind = Text(required=False, allow_blank=True, max_length=LONGEST_KIND, help_text="Only rows of this class.")


def failed_lines(rows: list[RunRow]) -> list[dict[str, Any]]:
    lines = ((row, pages.kind_of(row)) for row in rows)
    return [
        dict(FailedRow({"id": row.pk, "subject": row.subject, "kind": kind, "message": row.message}).data)
        for row, kind in lines
    ]


class RunFailed(ListView):
    query_form = FailedQuery

    @extend_schema(operation_id="runs_failed", responses=FailedRow(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """List the rows of a run that failed."""
        return self.page(failed_rows(self.row(Run, pk), self.asked.get("kind", "")), failed_lines)


class RunRetry(RunWrite):
    @extend_schema(operation_id="runs_retry", request=Retry, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Ask the failed rows of a run again, all or those of one class. The others stay as they ended."""
        wanted = self.body(Retry)
        return self.once(lambda: self.retried(pk, wanted.get("kind", "")))

    def retried(self, pk: int, kind: str) -> Response:
        run = self.row(Run, pk)
        try:
            rows = run_retry(run=run, user=self.user, kind=kind)
        except StageError as error:
            raise Conflict(str(error), state=run.state) from None
        run.refresh_from_db()
        if not rows:
            raise Conflict("There is no failed row to ask again, or the run is in work.", state=run.state)
        return Response(run_detail(run))
