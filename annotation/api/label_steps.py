"""Steps about labels other than decisions, what waits for a lead, and the merge history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.labels import DecidedList, SeenLabel, as_now
from annotation.forms import MOST_TOGETHER
from annotation.merge.conflicts import conflicts
from annotation.merge.deciding import label_comment, labels_flag, labels_refuse, labels_theme
from annotation.merge.states import StaleDecision
from annotation.models import IntentLabel, LabelOperation
from annotation.pages.label_history import history_lines, steps_asked
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Flag, Text, Whole
from madsafe_web.core.api.paging import LARGEST_ID, ListQuery
from madsafe_web.core.api.views import ApiView, ListView

THEME_LENGTH, COMMENT_LENGTH = 60, 500


class Theme(Body):
    labels = serializers.ListField(child=SeenLabel(), min_length=1, max_length=MOST_TOGETHER)
    theme = Text(
        max_length=THEME_LENGTH, allow_blank=True, help_text="The common name; empty: each label stands for itself."
    )


class Flagging(Body):
    labels = serializers.ListField(child=SeenLabel(), min_length=1, max_length=MOST_TOGETHER)
    flagged = Flag(help_text="Whether a lead is to look at them.")


class Refusal(Body):
    together = serializers.ListField(child=Whole(min_value=1, max_value=LARGEST_ID), min_length=1, max_length=100)
    apart = serializers.ListField(
        child=Whole(min_value=1, max_value=LARGEST_ID),
        required=False,
        default=list,
        max_length=100,
        help_text="Labels none of which belongs to any of `together`; without them no two of `together` do.",
    )

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if len({*fields["together"], *fields["apart"]}) < 2:
            raise serializers.ValidationError({"together": ["Name at least two labels."]})
        return fields


class Comment(Body):
    label = Whole(min_value=1, max_value=LARGEST_ID)  # type: ignore[assignment]  # a field of that name
    text = Text(max_length=COMMENT_LENGTH)


class StepDone(serializers.Serializer[Any]):
    step = serializers.IntegerField(help_text="Of the merge history.")


class LabelWrite(ApiView):
    write_right = "merge"
    body_names = True

    def known(self, labels: Iterable[int]) -> None:
        """Raises Http404 when one of the labels is not there."""
        wanted = set(labels)
        if scoped(self.user, IntentLabel).filter(pk__in=wanted).count() < len(wanted):
            raise Http404

    def changed(self, labels: list[dict[str, int]], do: Callable[[dict[int, int]], object]) -> Response:
        """Take a step on labels as they were seen, and tell what stands about them."""
        seen = {one["id"]: one["revision"] for one in labels}
        self.known(seen)

        def work() -> Response:
            try:
                do(seen)
            except StaleDecision as error:
                detail = f"Somebody changed “{error}” since it was seen. Nothing was changed."
                raise Conflict(detail, current=as_now(list(seen))) from None
            return Response({"results": as_now(list(seen))})

        return self.once(work)


class LabelTheme(LabelWrite):
    @extend_schema(operation_id="labels_theme", request=Theme, responses=DecidedList)
    def post(self, request: Request) -> Response:
        """Give labels a common name: all of them or none.

        409 when somebody changed one of them since it was seen; `current` then says what stands.
        """
        wanted = self.body(Theme)
        return self.changed(
            wanted["labels"], lambda seen: labels_theme(user=self.user, seen=seen, theme=wanted["theme"])
        )


class LabelFlag(LabelWrite):
    @extend_schema(operation_id="labels_flag", request=Flagging, responses=DecidedList)
    def post(self, request: Request) -> Response:
        """Put labels before a lead, or take them away again: all of them or none.

        409 when somebody changed one of them since it was seen; `current` then says what stands.
        """
        wanted = self.body(Flagging)
        return self.changed(
            wanted["labels"], lambda seen: labels_flag(user=self.user, seen=seen, flagged=wanted["flagged"])
        )


class LabelRefuse(LabelWrite):
    @extend_schema(operation_id="labels_refuse", request=Refusal, responses=StepDone)
    def post(self, request: Request) -> Response:
        """Say that labels do not belong together; no proposal holds them together any more."""
        wanted = self.body(Refusal)
        self.known([*wanted["together"], *wanted["apart"]])
        return self.once(lambda: Response({"step": labels_refuse(user=self.user, **wanted).pk}))


class LabelNote(LabelWrite):
    @extend_schema(operation_id="labels_comment", request=Comment, responses=StepDone)
    def post(self, request: Request) -> Response:
        """Note something about a label."""
        wanted = self.body(Comment)
        self.known([wanted["label"]])
        return self.once(lambda: Response({"step": label_comment(user=self.user, **wanted).pk}))


class SaidShown(serializers.Serializer[Any]):
    person = serializers.CharField()
    text = serializers.CharField(help_text="A target (category code, DROP or empty), or a comment.")


class ConflictShown(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of the label.")
    name = serializers.CharField()
    revision = serializers.IntegerField(help_text="Of its entry in the draft map: to be sent with a decision.")
    prompts = serializers.IntegerField(help_text="Prompts that carry it.")
    disagreed = serializers.BooleanField(help_text="Whether people answered differently about it.")
    flagged = serializers.BooleanField(help_text="Whether somebody flagged it.")
    answers = SaidShown(many=True, help_text="Leads see both answers, others their own.")
    comments = SaidShown(many=True)


class LabelConflicts(ListView):
    @extend_schema(operation_id="labels_conflicts", responses=ConflictShown(many=True))
    def get(self, request: Request) -> Response:
        """List the labels that wait for a lead: two people disagree, or somebody flagged them."""
        return self.page_of(conflicts(self.user), lambda rows: list(ConflictShown(rows, many=True).data))


class HistoryQuery(ListQuery):
    person = serializers.CharField(required=False, max_length=150, help_text="User name of who took the step.")
    verb = serializers.ChoiceField(choices=LabelOperation.Verb.choices, required=False)
    label = serializers.IntegerField(  # type: ignore[assignment]  # a field of that name
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Id of a label."
    )


class HistoryShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    verb = serializers.ChoiceField(choices=LabelOperation.Verb.choices)
    about = serializers.CharField(help_text="The first label, and how many more.")
    outcome = serializers.CharField()
    map = serializers.CharField(help_text="Version of the map.")
    stands = serializers.BooleanField(help_text="Whether it is not taken back.")
    changed_by = serializers.CharField(help_text="Who else took it back or did it again; empty: nobody.")


class LabelHistory(ListView):
    query_form: ClassVar[type[HistoryQuery]] = HistoryQuery

    @extend_schema(operation_id="labels_history", responses=HistoryShown(many=True))
    def get(self, request: Request) -> Response:
        """List the steps of merging; undone ones stay in the list."""
        rows = steps_asked(self.user, self.asked)
        return self.page(rows, lambda found: list(HistoryShown(history_lines(self.user, found), many=True).data))
