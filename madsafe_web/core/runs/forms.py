"""The forms of a run: one field for each parameter of its stage, made from their types, and its budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django import forms
from django.forms.fields import InvalidJSONInput
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.llm.prices import MILLION
from madsafe_web.core.models import Endpoint, Run
from madsafe_web.core.parameters import parameter_name
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.deadline import When, parsed
from madsafe_web.core.runs.drafts import limits_of
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.stages import stage
from madsafe_web.core.storable import is_storable

LARGEST = 10**12
LONGEST = 2000


class StorableJSONField(forms.JSONField):
    """JSON that every database keeps: without NUL, half characters, numbers too large, and lists in lists for ever."""

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
            kept = is_storable(found)
        except (RecursionError, ValueError):  # too deep, or a number of thousands of digits
            kept = False
        if not kept:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid", params={"value": value})
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was sent, for the page that shows it again."""
        try:
            shown = super().bound_data(data, initial)
            kept = is_storable(shown)
        except (RecursionError, ValueError):
            kept = False
        return shown if kept else InvalidJSONInput(data)


class ParamsForm(forms.Form):
    """The parameters of a run. What the stage does not take is told by the stage itself, not here."""

    def __init__(self, run: Run, data: Any = None) -> None:
        super().__init__(data, initial=run.params, prefix="param")
        for name, kind in get_type_hints(stage(run.stage).params).items():
            self.fields[name] = field_for(name, kind, run.params.get(name))

    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


def field_for(name: str, kind: Any, value: Any) -> forms.Field:
    """The field of one parameter; numbers, lists and mappings are written as JSON."""
    label = parameter_name(name)
    if kind is bool:
        return forms.BooleanField(required=False, label=label)
    if get_origin(kind) is Literal:
        return forms.ChoiceField(choices=[(one, one) for one in get_args(kind)], label=label)
    if name.split("_")[-1] == "endpoint":
        return forms.ChoiceField(choices=lambda: endpoint_choices(value), required=False, label=label)
    if kind is str:
        return forms.CharField(required=False, max_length=LONGEST, label=label)
    nested = isinstance(value, dict | list)
    wide = forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false", "translate": "no"})
    return StorableJSONField(required=False, label=label, widget=wide if nested else forms.TextInput())


def endpoint_choices(value: Any) -> list[tuple[str, str]]:
    """The endpoints by name; the one that the run names is among them even when it is gone."""
    names = set(Endpoint.objects.values_list("name", flat=True)) | {str(value or "")}
    return [(name, name or "–") for name in sorted(names)]


class BudgetForm(forms.Form):
    """The most that a run may use, and until when it may ask; an empty field is no limit."""

    calls = forms.IntegerField(required=False, min_value=0, max_value=LARGEST, label=_("Calls"))
    tokens = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=LARGEST,
        label=_("Tokens"),
        help_text=_("Of prompts and replies together."),
    )
    money = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(10**9),
        decimal_places=6,
        label=_("Money"),
        help_text=_("In the currency of the prices that the endpoints name in their options."),
    )
    minutes = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=10**7,
        label=_("Minutes"),
        help_text=_("Of work; waiting does not count."),
    )

    deadline = forms.CharField(
        required=False,
        max_length=40,
        label=_("Deadline"),
        help_text=_("A time such as 2026-11-30 08:00, or how long from now: 90m, 8h, 2d. No call begins after it."),
    )
    shared_cache = forms.BooleanField(
        required=False,
        label=_("Take stored replies"),
        help_text=_("Of other runs, to the same calls. Without it everything is asked anew."),
    )

    def __init__(self, run: Run, data: Any = None) -> None:
        self._before = limits = limits_of(run)
        money = None if limits.cost is None else Decimal(limits.cost) / MILLION
        minutes = None if limits.seconds is None else limits.seconds // 60
        values: dict[str, Any] = {"calls": limits.calls, "tokens": limits.tokens, "money": money, "minutes": minutes}
        values |= {"deadline": deadline_text(run), "shared_cache": run.shared_cache}
        super().__init__(data, initial=values, prefix="budget")
        if run.state != Run.State.DRAFT:
            del self.fields["shared_cache"]

    def clean_deadline(self) -> When:
        """The moment, the length from now, or none."""
        try:
            return parsed(self.cleaned_data["deadline"])
        except ConfigError:
            raise forms.ValidationError(_("Write a time such as 2026-11-30 08:00, or a length: 90m, 8h, 2d.")) from None

    def limits(self) -> Limits:
        """The budget as it was filled in; seconds that are no whole minutes stay while nobody changes the minutes."""
        data = self.cleaned_data
        seconds = None if data["minutes"] is None else data["minutes"] * 60
        return Limits(
            calls=data["calls"],
            tokens=data["tokens"],
            cost=None if data["money"] is None else int(data["money"] * MILLION),
            seconds=seconds if "minutes" in self.changed_data else self._before.seconds,
        )


def deadline_text(run: Run) -> str:
    """The deadline of a run in the reader's time zone, as the form takes it; "" without one."""
    return f"{timezone.localtime(run.deadline):%Y-%m-%d %H:%M:%S}" if run.deadline else ""
