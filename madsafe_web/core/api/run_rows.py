"""The failed rows of a run: read, and asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import can
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Text
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.runs import RunDetail, RunWrite, run_detail
from madsafe_web.core.api.views import ListView, NoBody
from madsafe_web.core.models import Run
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.failed_pages import failed_lines
from madsafe_web.core.runs.pages import listed_rows
from madsafe_web.core.runs.retrying import run_reread, run_retry

LONGEST_KIND = 40


class RawReply(serializers.Serializer[Any]):
    """What a model said, raw; texts longer than 4,000 characters are cut."""

    endpoint = serializers.CharField(help_text="The endpoint that gave it.")
    finish = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    reasoning = serializers.CharField(allow_blank=True)
    characters = serializers.IntegerField(help_text="How long the text is in all.")
    again = serializers.IntegerField(help_text="How often the row was asked anew.")


class FailedRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    subject = serializers.CharField(help_text="Key of the row: for stages that read prompts, the id of the prompt.")
    kind = serializers.CharField(help_text="Class of the error, or how the row ended.")
    message = serializers.CharField(allow_blank=True)
    reply = RawReply(allow_null=True, help_text="The last reply, for who may start runs; null where there is none.")
    file = serializers.CharField(allow_blank=True, help_text="That a rejected row stood in, with `subject` as its row.")
    field = serializers.CharField(allow_blank=True, help_text="That is wrong with a rejected row; empty: the whole.")
    raw = serializers.CharField(allow_blank=True, help_text="A rejected row as it came, of it 4,000 characters.")


class FailedQuery(ListQuery):
    kind = serializers.CharField(required=False, max_length=LONGEST_KIND, help_text="Only rows of this class.")


class Retry(Body):
    kind = Text(required=False, allow_blank=True, max_length=LONGEST_KIND, help_text="Only rows of this class.")


class RunFailed(ListView):
    query_form = FailedQuery

    @extend_schema(operation_id="runs_failed", responses=FailedRow(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """List the rows of a run that failed; of one that read a file those that it rejected."""
        run, replies = self.row(Run, pk), can(self.user, "run")
        return self.page(
            listed_rows(run, self.asked.get("kind", "")),
            lambda rows: [dict(FailedRow(line).data) for line in failed_lines(run, rows, replies=replies)],
        )


class RowsWrite(RunWrite):
    """A run whose failed rows are worked on once more."""

    def taken_back(self, pk: int, take_back: Callable[[Run], int]) -> Response:
        run = self.row(Run, pk)
        try:
            rows = take_back(run)
        except StageError as error:
            raise Conflict(str(error), state=run.state) from None
        run.refresh_from_db()
        if not rows:
            raise Conflict("There is no failed row to ask again, or the run is in work.", state=run.state)
        return Response(run_detail(run))


class RunRetry(RowsWrite):
    @extend_schema(operation_id="runs_retry", request=Retry, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Work on the failed rows of a run again, all or those of one class. The others stay as they ended.

        A stored reply is read again first; the row is asked anew where it gives nothing.
        """
        wanted = self.body(Retry)
        return self.once(lambda: self.retried(pk, wanted.get("kind", "")))

    def retried(self, pk: int, kind: str) -> Response:
        return self.taken_back(pk, lambda run: run_retry(run=run, user=self.user, kind=kind))


class RunReread(RowsWrite):
    @extend_schema(operation_id="runs_reread", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Read the stored replies of the rows that were not understood once more, without any call."""
        self.body(NoBody)
        return self.once(lambda: self.taken_back(pk, lambda run: run_reread(run=run, user=self.user)))
