"""Labels with what the draft map says about them, and the steps that people take on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.codes import CodeField
from annotation.forms import MOST_TOGETHER, VIEWS, LabelFilter
from annotation.merge.deciding import labels_decide, step_redo, step_undo
from annotation.merge.operations import Codes
from annotation.merge.states import Decision, EntryState, StaleDecision
from annotation.models import DecidedBy, IntentLabel, LabelOperation, MapEntry, MergeMap
from annotation.pages.labels import LabelState
from annotation.pages.merge_state import merge_state
from annotation.selectors import label_examples, map_draft
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Whole
from madsafe_web.core.api.paging import LARGEST_ID, ListQuery
from madsafe_web.core.api.views import ApiView, ListView, NoBody

TARGET = "Category code, DROP for no safety label, or empty for undecided."


class LabelShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    language = serializers.CharField(source="lang")
    prompts = serializers.IntegerField(help_text="Prompts that carry it.")
    target = serializers.CharField(allow_blank=True, help_text=TARGET)
    decided_by = serializers.ChoiceField(choices=DecidedBy.choices, allow_blank=True, source="by")
    revision = serializers.IntegerField(help_text="Of its entry in the draft map: to be sent with a decision.")
    suggested = serializers.CharField(allow_blank=True, help_text="What a model would decide.")
    confidence = serializers.FloatField(allow_null=True, help_text="Of the suggestion, 0..1.")


class LabelDetail(LabelShown):
    examples = serializers.ListField(child=serializers.CharField(), help_text="Texts of a few of its prompts.")


class Decided(serializers.Serializer[Any]):
    label_id = serializers.IntegerField()
    target = serializers.CharField(allow_blank=True, help_text=TARGET)
    decided_by = serializers.ChoiceField(choices=DecidedBy.choices, allow_blank=True)
    revision = serializers.IntegerField()


class DecidedList(serializers.Serializer[Any]):
    results = Decided(many=True)


class Stepped(serializers.Serializer[Any]):
    results = Decided(many=True, help_text="What changed; empty when there was nothing to take back.")


class LabelQuery(ListQuery):
    view = serializers.ChoiceField(choices=list(VIEWS), required=False, default="all")
    q = serializers.CharField(required=False, max_length=60, help_text="A part of the name.")
    category = CodeField(required=False, help_text="Decided, else suggested.")


class SeenLabel(Body):
    id = Whole(min_value=1, max_value=LARGEST_ID)
    revision = Whole(max_value=2**31 - 1, help_text="At which the label was seen.")


class Assignment(Body):
    labels = serializers.ListField(child=SeenLabel(), min_length=1, max_length=MOST_TOGETHER)
    category = CodeField(allow_blank=True, drop=True, help_text=TARGET)


def entry_json(entry: MapEntry, codes: Codes) -> dict[str, Any]:
    state = EntryState.of(entry, codes.code_of)
    shown = {
        "label_id": entry.label_id,
        "target": state.target,
        "decided_by": state.by,
        "revision": entry.revision,
    }
    return dict(Decided(shown).data)


def as_now(label_ids: list[int]) -> list[dict[str, Any]]:
    """What the draft says about labels at this moment."""
    draft = map_draft()
    if draft is None:
        return []
    codes = Codes.of(draft)
    return [entry_json(entry, codes) for entry in draft.entries.filter(label__in=label_ids).order_by("label")]


class Labels(ListView):
    query_form = LabelQuery

    @extend_schema(operation_id="labels_list", responses=LabelShown(many=True))
    def get(self, request: Request) -> Response:
        """List the labels to merge, with what the draft map says and what is suggested."""
        asked: dict[str, Any] = {name: self.asked[name] for name in ("q", "category") if name in self.asked}
        wanted = LabelFilter({**asked, "view": "flat", "state": self.asked["view"]})
        visible = set(scoped(self.user, IntentLabel).values_list("id", flat=True))
        states = [state for state in merge_state().listed(wanted) if state.id in visible]
        return self.page_of(states, lambda rows: list(LabelShown(rows, many=True).data))


class LabelOne(ApiView):
    @extend_schema(operation_id="labels_get", responses=LabelDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show a label with a few of its prompts."""
        self.row(IntentLabel, pk)
        found = next((state for state in merge_state().labels if state.id == pk), None)
        if found is None:
            raise Http404  # only runs that the map leaves out gave it
        return Response(LabelDetail({**state_json(found), "examples": label_examples([pk]).get(pk, [])}).data)


def state_json(state: LabelState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in LabelState.__slots__}


class LabelAssign(ApiView):
    write_right = "merge"
    body_names = True

    @extend_schema(operation_id="labels_assign", request=Assignment, responses=DecidedList)
    def post(self, request: Request) -> Response:
        """Decide about labels: all of them or none.

        409 when somebody decided about one of them since it was seen; `current` then says what stands.
        """
        wanted = self.body(Assignment)
        seen = {one["id"]: one["revision"] for one in wanted["labels"]}
        if scoped(self.user, IntentLabel).filter(pk__in=seen).count() < len(seen):
            raise Http404
        return self.once(lambda: self.decide(seen, wanted["category"]))

    def decide(self, seen: dict[int, int], category: str) -> Response:
        try:
            labels_decide(user=self.user, seen=seen, decision=Decision(category))
        except StaleDecision as error:
            detail = f"Somebody decided about “{error}” since it was seen. Nothing was changed."
            raise Conflict(detail, current=as_now(list(seen))) from None
        return Response({"results": as_now(list(seen))})


class LabelStep(ApiView):
    write_right = "merge"

    def step(self, service: Callable[..., LabelOperation | None]) -> Response:
        draft = map_draft()
        try:
            step = service(user=self.user, draft=self.visible(draft)) if draft else None
        except StaleDecision as error:
            raise Conflict(f"Somebody decided about “{error}” after you. Nothing was changed.") from None
        labels = [one.entry.label_id for one in step.changes.select_related("entry")] if step else []
        return Response({"results": as_now(labels)})

    def visible(self, draft: MergeMap) -> MergeMap:
        return self.row(MergeMap, draft.pk)


class LabelUndo(LabelStep):
    @extend_schema(operation_id="labels_undo", request=NoBody, responses=Stepped)
    def post(self, request: Request) -> Response:
        """Take back one's own newest decision that still stands."""
        self.body(NoBody)
        return self.once(lambda: self.step(step_undo))


class LabelRedo(LabelStep):
    @extend_schema(operation_id="labels_redo", request=NoBody, responses=Stepped)
    def post(self, request: Request) -> Response:
        """Take one's own newest undo back."""
        self.body(NoBody)
        return self.once(lambda: self.step(step_redo))
