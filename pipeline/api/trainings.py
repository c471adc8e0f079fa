"""Trainings: launching one, its loss curve, and its end before time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict, Unprocessable, refused
from madsafe_web.core.api.fields import Body, Choice, Flag, Number, Text, Whole
from madsafe_web.core.api.paging import LARGEST_ID, ListQuery
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView, ListView, NoBody
from madsafe_web.core.models import Run
from pipeline import launching
from pipeline.models import LossPoint
from pipeline.training_pages import training_lines, training_of, with_points

DEFAULTS = {name: value for name, value in asdict(launching.DEFAULTS).items() if name != "set_id"}


class TrainingLine(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of its run.")
    state = serializers.ChoiceField(choices=Run.State.choices)
    step = serializers.IntegerField(help_text="The last logged step; 0 before the first.")
    steps = serializers.IntegerField()
    first_loss = serializers.FloatField(allow_null=True)
    loss = serializers.FloatField(allow_null=True)
    base_model = serializers.CharField(help_text="Name of its endpoint.")
    set_id = serializers.IntegerField(help_text="0: the newest frozen one, until a worker begins.")
    started = serializers.DateTimeField(allow_null=True)


class PointShown(serializers.ModelSerializer[LossPoint]):
    class Meta:
        model = LossPoint
        fields = ("step", "total", "loss", "lr", "epoch")
        read_only_fields = fields


class TrainingDetail(TrainingLine):
    points = PointShown(many=True, help_text="The loss in nats per token, one point a logged step.")
    base_sha256 = serializers.CharField(allow_blank=True)
    tuned_sha256 = serializers.CharField(allow_blank=True, help_text="Empty until it is done.")
    heartbeat = serializers.DateTimeField(allow_null=True)
    run = RunDetail()


class TrainingQuery(ListQuery):
    state = serializers.ChoiceField(choices=Run.State.choices, required=False)


class NewTraining(Body):
    """The parameters of the stage `train`; what is left out is the paper's."""

    set = Whole(required=False, min_value=1, max_value=LARGEST_ID, help_text="A frozen set; without it the newest.")
    base_endpoint = Text(required=False, max_length=60, help_text="Name of the base model's endpoint.")
    learning_rate = Number(required=False, min_value=1e-12, max_value=0.5)
    epochs = Number(required=False, min_value=0.01, max_value=1000)
    batch = Whole(required=False, min_value=1, max_value=4096, help_text="Samples a device and step.")
    accumulation = Whole(required=False, min_value=1, max_value=4096)
    warmup_ratio = Number(required=False, min_value=0, max_value=0.99)
    cutoff_len = Whole(required=False, min_value=16, max_value=1_048_576, help_text="Longest sample in tokens.")
    template = Text(required=False, max_length=40)
    device = Choice(required=False, choices=["auto", "cpu", "cuda"])
    bf16 = Flag(required=False)
    seed = Whole(required=False, max_value=2**31 - 1)


def training_rows(runs: list[Any]) -> list[dict[str, Any]]:
    return [dict(TrainingLine(line).data) for line in training_lines(runs)]


class Trainings(ListView):
    write_right = "train"
    query_form = TrainingQuery

    @extend_schema(operation_id="trainings_list", responses=TrainingLine(many=True))
    def get(self, request: Request) -> Response:
        """List the trainings."""
        wanted = {"state": self.asked["state"]} if "state" in self.asked else {}
        return self.page(with_points(scoped(self.user, Run)).filter(**wanted), training_rows)

    @extend_schema(operation_id="trainings_launch", request=NewTraining, responses={201: RunDetail})
    def post(self, request: Request) -> Response:
        """Launch a training. 422 with what stands in the way of it, as far as this machine can tell."""
        form = self.form(self.body(NewTraining))
        chosen, values = form.cleaned_data, form.values()
        for one in launching.problems(chosen["set"], chosen["base_endpoint"], values):
            raise Unprocessable(f"{one.what} {one.what_to_do}")
        return self.once(lambda: self.launch(values))

    def form(self, given: dict[str, Any]) -> launching.LaunchForm:
        """The page's form, filled with the defaults for what is left out. Raises ValidationError."""
        if "set" not in given and (newest := launching.frozen_sets(self.user).first()):
            given = {**given, "set": newest.pk}
        form = launching.LaunchForm(self.user, {**DEFAULTS, **given})
        if not form.is_valid():
            raise refused(form)
        return form

    def launch(self, values: dict[str, Any]) -> Response:
        return Response(run_detail(launching.training_launch(user=self.user, values=values)), status=201)


class TrainingOne(ApiView):
    @extend_schema(operation_id="trainings_get", responses=TrainingDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show a training with its loss curve."""
        run = self.row(Run, pk, with_points(scoped(self.user, Run)))
        training = training_of(run)
        shown = {
            **training_rows([run])[0],
            "points": training.points.all() if training else [],
            "base_sha256": training.base_sha256 if training else "",
            "tuned_sha256": training.tuned_sha256 if training else "",
            "heartbeat": training.heartbeat if training else None,
            "run": run_detail(run),
        }
        return Response(TrainingDetail(shown).data)


class TrainingStop(ApiView):
    write_right = "train"

    @extend_schema(operation_id="trainings_stop", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """End a training for good. Its checkpoints are kept."""
        self.body(NoBody)
        return self.once(lambda: self.stop(pk))

    def stop(self, pk: int) -> Response:
        run = self.row(Run, pk, scoped(self.user, Run).filter(stage="train"))
        done = launching.training_stop(user=self.user, run=run)
        run.refresh_from_db()
        if not done:
            raise Conflict("The training has already ended.", state=run.state)
        return Response(run_detail(run))
