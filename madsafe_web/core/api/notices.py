"""The bell: what the runs that somebody started came to."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import scoped
from madsafe_web.core.api.fields import Body, Whole
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.models import Run, RunNotice
from madsafe_web.core.runs.notice_pages import notice_lines
from madsafe_web.core.runs.notices import notices_seen


class NoticeLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    run = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Run.State.choices, help_text="The one that the run came to rest in.")
    error = serializers.CharField(allow_blank=True, help_text="What went wrong; empty when it has gone on since.")
    at = serializers.DateTimeField()
    seen = serializers.BooleanField()


class NoticeQuery(ListQuery):
    unseen = serializers.BooleanField(required=False, help_text="Only those that nobody looked at yet.")


class Seen(Body):
    notice = Whole(required=False, min_value=1, help_text="One notice; without it all of them.")


class Unseen(serializers.Serializer[Any]):
    unseen = serializers.IntegerField(help_text="How many are unseen still.")


class Notices(ListView):
    query_form = NoticeQuery

    @extend_schema(operation_id="notices_list", responses=NoticeLine(many=True))
    def get(self, request: Request) -> Response:
        """List what you were told about your runs."""
        rows = scoped(self.user, RunNotice).select_related("run").defer("run__outputs")
        if self.asked.get("unseen"):
            rows = rows.filter(seen=False)
        return self.page(rows, lambda found: [dict(NoticeLine(line).data) for line in notice_lines(found)])


class NoticesSeen(ApiView):
    write_right = "browse"

    @extend_schema(operation_id="notices_seen", request=Seen, responses=Unseen)
    def post(self, request: Request) -> Response:
        """Mark one notice as seen, or all."""
        wanted = self.body(Seen)
        return self.once(lambda: self.marked(wanted.get("notice")))

    def marked(self, notice: int | None) -> Response:
        if notice and not scoped(self.user, RunNotice).filter(pk=notice).exists():
            raise ValidationError({"notice": "You have no such notice."})
        return Response({"unseen": notices_seen(user=self.user, notice=notice)})
