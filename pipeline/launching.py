"""Launching a training: the form over its parameters, the check before it, and the launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from madsafe_web.core.access import scoped
from madsafe_web.core.audit import audit
from madsafe_web.core.llm.endpoints import spec
from madsafe_web.core.models import Endpoint, Run, User
from madsafe_web.core.runs import service, tasks
from madsafe_web.core.runs.errors import StageError
from pipeline.freezing import export_file
from pipeline.models import AlignmentSet
from pipeline.stages.train import Params
from pipeline.training import preflight
from pipeline.training.config import TrainingConfig
from pipeline.training.preflight import Problem

DEFAULTS = Params()
MOST_TRIED = 3  # each try reads the whole data file
TRAINABLE = ("transformers", "tiny_llama")
PLAIN = RegexValidator(r"^[A-Za-z0-9_.-]+$", gettext_lazy("Letters, digits, dots, dashes and underscores only."))


class LaunchForm(forms.Form):
    """The parameters of the stage `train`; what stands in it beforehand is the paper's."""

    set = forms.ModelChoiceField(AlignmentSet.objects.none(), label=gettext_lazy("Alignment set"), empty_label=None)
    base_endpoint = forms.ModelChoiceField(
        Endpoint.objects.none(), to_field_name="name", label=gettext_lazy("Base model"), empty_label=None
    )
    learning_rate = forms.FloatField(min_value=1e-12, max_value=0.5, label=gettext_lazy("Learning rate"))
    epochs = forms.FloatField(min_value=0.01, max_value=1000, label=gettext_lazy("Epochs"))
    batch = forms.IntegerField(min_value=1, max_value=4096, label=gettext_lazy("Batch size per device"))
    accumulation = forms.IntegerField(min_value=1, max_value=4096, label=gettext_lazy("Gradient accumulation steps"))
    warmup_ratio = forms.FloatField(min_value=0, max_value=0.99, label=gettext_lazy("Warm-up share of all steps"))
    cutoff_len = forms.IntegerField(min_value=16, max_value=1_048_576, label=gettext_lazy("Longest sample in tokens"))
    template = forms.CharField(max_length=40, validators=[PLAIN], label=gettext_lazy("Chat template"))
    device = forms.ChoiceField(choices=[(name, name) for name in ("auto", "cpu", "cuda")], label=gettext_lazy("Device"))
    bf16 = forms.BooleanField(required=False, label=gettext_lazy("bfloat16"))
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, label=gettext_lazy("Random seed"))

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields:
            self.fields[name].initial = getattr(DEFAULTS, name, None)
        for name, rows in (("set", frozen_sets(user)), ("base_endpoint", base_endpoints(user))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows

    def values(self) -> dict[str, Any]:
        """The cleaned fields as parameters of the stage."""
        given = {name: value for name, value in self.cleaned_data.items() if name not in ("set", "base_endpoint")}
        return {
            **given,
            "set_id": self.cleaned_data["set"].pk,
            "base_endpoint": self.cleaned_data["base_endpoint"].name,
        }


def frozen_sets(user: User) -> QuerySet[AlignmentSet]:
    return scoped(user, AlignmentSet).filter(state=AlignmentSet.State.FROZEN).order_by("-frozen", "-id")


def base_endpoints(user: User) -> QuerySet[Endpoint]:
    """The endpoints whose weights can be trained here, in the order of their making."""
    return scoped(user, Endpoint).filter(backend__in=TRAINABLE).order_by("id")


def first_form(user: User, wanted: str) -> tuple[LaunchForm, list[Problem]]:
    """The form before anything is entered, with what stands in the way of it.

    The set is the `wanted` one (an id as text) or the newest; the base model is the default one, or the first that
    could be trained at once. Where none could, the problems are those of the default.
    """
    sets = frozen_sets(user)
    chosen = (sets.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None) or sets.first()
    endpoints = sorted(base_endpoints(user), key=lambda one: one.name != DEFAULTS.base_endpoint)[:MOST_TRIED]
    missing = missing_parts(chosen, endpoints)
    if chosen is None or missing:
        return LaunchForm(user, initial={"set": chosen}), missing
    tried = [(one, problems(chosen, one, asdict(DEFAULTS))) for one in endpoints]
    endpoint, found = next(((one, found) for one, found in tried if not found), tried[0])
    return LaunchForm(user, initial={"set": chosen.pk, "base_endpoint": endpoint.name}), found


def missing_parts(chosen: AlignmentSet | None, endpoints: Sequence[Endpoint]) -> list[Problem]:
    """What must be made before there is anything to choose."""
    found = []
    if chosen is None:
        found.append(Problem(_("There is no frozen alignment set."), _("Select and freeze one first (step 8).")))
    if not endpoints:
        what = _("There is no model that can be trained.")
        found.append(Problem(what, _("Declare an endpoint with the backend 'transformers' and the model's folder.")))
    return found


def problems(chosen: AlignmentSet, endpoint: Endpoint, values: dict[str, Any]) -> list[Problem]:
    """What would make this training fail, as far as this machine can tell; the worker checks again on its own."""
    try:
        model = spec(endpoint).model
    except StageError as error:
        return [Problem(str(error), _("Choose another base model, or set the variable and start the server again."))]
    if endpoint.backend == "tiny_llama":
        made = sorted(Path(settings.VAR_DIR, "models").glob("tiny-llama-*/config.json"))
        if not made:
            return []  # the worker makes the tiny model when it is first asked for, and checks the rest then
        model = str(made[-1].parent)
    try:
        wanted = TrainingConfig(
            model=model,
            template=values["template"],
            cutoff_len=values["cutoff_len"],
            batch_size=values["batch"],
            accumulation=values["accumulation"],
            learning_rate=values["learning_rate"],
            warmup=values["warmup_ratio"],
            epochs=values["epochs"],
            seed=values["seed"],
        )
    except ValueError as error:
        return [Problem(str(error), _("Correct the value."))]
    return preflight.check(wanted, export_file(chosen), Path(settings.VAR_DIR, "training"))


@transaction.atomic
def training_launch(*, user: User, values: dict[str, Any]) -> Run:
    """Make and queue a run of the stage `train`. Raises ConfigError for a parameter that cannot be used."""
    run = service.run_create(stage_name="train", values=values, user=user)
    service.run_start(run)
    audit(user, "training.launch", str(run), set=values["set_id"], base=values["base_endpoint"])
    tasks.enqueue(run)
    return run


@transaction.atomic
def training_stop(*, user: User, run: Run) -> bool:
    """Cancel a training for good. False when it has already ended."""
    if not service.run_cancel(run, user):
        return False
    audit(user, "training.stop", str(run))
    return True
