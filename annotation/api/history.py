"""Steps of the merge history: taking one back, doing it again, and a lead's way to take back a person's period."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.labels import Stepped, as_now
from annotation.merge.operations import Kind, operation_undo
from annotation.merge.reverting import labels_of, operations_revert, steps_between
from annotation.merge.states import StaleDecision
from annotation.models import LabelOperation, MergeMap
from annotation.pages.label_history import actors, may_change, tips_of
from annotation.selectors import map_draft
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Query, Strict, Text
from madsafe_web.core.api.views import ApiView, NoBody

NO_DRAFT = "There is no draft: nothing can be taken back."


class StepView(ApiView):
    write_right = "merge"

    def turn(self, pk: int, *, stands: bool) -> Response:
        """Take back a step that stands, or do one again that was taken back."""
        step = self.row(LabelOperation, pk, scoped(self.user, LabelOperation).filter(kind=Kind.DO))
        if step.merge_map.state != MergeMap.State.DRAFT:
            raise Conflict("Its map is published and can no longer change.")
        if not may_change(self.user, step):
            raise PermissionDenied("Only a lead changes the step of somebody else.")
        tip = tips_of([step])[step.pk]
        if (tip.kind != Kind.UNDO) != stands:
            raise Conflict("It was taken back already." if stands else "It stands already.")
        try:
            done = operation_undo(operation=tip, user=self.user)
        except StaleDecision as error:
            raise Conflict(f"Somebody changed “{error}” since. Nothing was changed.") from None
        labels = [one.entry.label_id for one in done.changes.select_related("entry")] if done else []
        return Response(Stepped({"results": as_now(labels)}).data)


class StepUndo(StepView):
    @extend_schema(operation_id="labels_history_undo", request=NoBody, responses=Stepped)
    def post(self, request: Request, pk: int) -> Response:
        """Take back a step of the merge history: one's own, a lead's any.

        409 when it does not stand, or a later step that stands changed the same.
        """
        self.body(NoBody)
        return self.once(lambda: self.turn(pk, stands=True))


class StepRedo(StepView):
    @extend_schema(operation_id="labels_history_redo", request=NoBody, responses=Stepped)
    def post(self, request: Request, pk: int) -> Response:
        """Do a step of the merge history again that was taken back: one's own, a lead's any.

        409 when it stands, or a later step that stands changed the same.
        """
        self.body(NoBody)
        return self.once(lambda: self.turn(pk, stands=False))


class Period(Strict):
    """What somebody did from `since` on, until before `until`."""

    person = serializers.CharField(max_length=150, help_text="User name.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["since"] >= fields["until"]:
            raise ValidationError({"until": ["It must be after `since`."]})
        return fields


class PeriodQuery(Period, Query):
    pass


class PeriodBody(Period, Body):
    person = Text(max_length=150, help_text="User name.")


class PeriodShown(serializers.Serializer[Any]):
    steps = serializers.IntegerField(help_text="Steps on the draft that stand.")
    labels = serializers.IntegerField(help_text="Labels that they changed.")


class RevertedShown(serializers.Serializer[Any]):
    step = serializers.IntegerField(allow_null=True, help_text="Of the merge history; null where nothing was done.")
    steps = serializers.IntegerField(help_text="Steps that were taken back.")
    left = serializers.ListField(
        child=serializers.CharField(), help_text="Names of labels that stay as they are: somebody else changed them."
    )


class HistoryRevert(ApiView):
    read_right = write_right = "adjudicate"
    query_form: ClassVar[type[PeriodQuery]] = PeriodQuery
    body_names = True

    @extend_schema(operation_id="labels_history_period", responses=PeriodShown)
    def get(self, request: Request) -> Response:
        """Tell what a revert of a person's period would take back."""
        draft, asked = map_draft(), self.period(self.asked)
        if draft is None:
            return Response(PeriodShown({"steps": 0, "labels": 0}).data)
        steps = steps_between(draft, **asked)
        return Response(PeriodShown({"steps": steps.count(), "labels": labels_of(steps)}).data)

    @extend_schema(operation_id="labels_history_revert", request=PeriodBody, responses=RevertedShown)
    def post(self, request: Request) -> Response:
        """Take back all that a person did on the draft in a period: one step, which is taken back as a whole.

        What somebody else changed since stays and is named.
        """
        wanted = self.period(self.body(PeriodBody))
        return self.once(lambda: self.revert(wanted))

    def period(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Arguments of `steps_between`. Raises Http404 for somebody who took no step."""
        found = actors().filter(username=asked["person"]).first()
        if found is None:
            raise Http404
        return {"person": found, "since": asked["since"], "until": asked["until"]}

    def revert(self, wanted: dict[str, Any]) -> Response:
        draft = map_draft()
        if draft is None:
            raise Conflict(NO_DRAFT)
        done = operations_revert(draft=draft, user=self.user, **wanted)
        shown = {"step": done.step.pk if done.step else None, "steps": done.steps, "left": done.left}
        return Response(RevertedShown(shown).data)
