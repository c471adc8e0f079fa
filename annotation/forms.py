"""Every parameter that a page of this app takes. GET forms fall back to no filter, POST forms answer 422."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.models import Judgement
from annotation.taxonomy import CATEGORIES

VIEWS = {"undecided": _("Undecided"), "decided": _("Decided"), "differs": _("Not as suggested"), "all": _("All")}
LARGEST_ID = 2**63 - 1
MARKED = re.compile(r"(\d{1,18}):(\d{1,9})")
MOST_TOGETHER = 500
CODES = [(row[0], row[0]) for row in CATEGORIES]


def id_field(required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(required=required, min_value=1, max_value=LARGEST_ID)


class FilterForm(forms.Form):
    """A GET form: `kept` holds what is usable, `refused` says whether anything was not."""

    kept: dict[str, Any]
    refused: bool

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.refused = not self.is_valid()
        self.kept = {name: self.cleaned_data.get(name) for name in self.fields}

    def text(self, name: str) -> str:
        """A kept value as it stands in an address; "" for none."""
        value = self.kept[name]
        return "" if value is None else str(value)

    def query(self, *names: str) -> str:
        """The query string of the kept values that are set."""
        query = QueryDict(mutable=True)
        for name in names:
            if self.text(name):
                query[name] = self.text(name)
        return query.urlencode()


class LabelFilter(FilterForm):
    view = forms.ChoiceField(required=False, choices=list(VIEWS.items()))
    q = forms.CharField(required=False, max_length=60)
    category = forms.ChoiceField(required=False, choices=CODES)
    label = id_field(required=False)
    more = id_field(required=False)

    @property
    def view_name(self) -> str:
        return self.text("view") or "undecided"

    def place(self) -> str:
        """The query string to come back to, without the label."""
        self.kept["view"] = self.view_name
        return self.query("view", "q", "category")


class PlaceForm(forms.Form):
    """The query string of the merge page to go back to."""

    query = forms.CharField(required=False, max_length=500)

    def clean_query(self) -> str:
        return LabelFilter(QueryDict(self.cleaned_data["query"])).place()


class AssignForm(PlaceForm):
    label = id_field()
    revision = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    category = forms.ChoiceField(required=False, choices=[*CODES, ("DROP", "DROP")])

    def clean(self) -> dict[str, Any]:
        """Gather the label shown and those ticked with it under `seen`, as pairs of id and revision."""
        values = super().clean() or self.cleaned_data
        # A form made of a plain dictionary has no lists.
        also = self.data.getlist("also") if isinstance(self.data, QueryDict) else []
        matches = [MARKED.fullmatch(text) for text in also]
        if not all(matches) or len(matches) > MOST_TOGETHER:
            raise ValidationError(_("The ticked labels could not be read."))
        marked = {int(match[1]): int(match[2]) for match in matches if match}
        if "label" in values and "revision" in values:
            marked[values["label"]] = values["revision"]
        return {**values, "seen": list(marked.items())}


class MapForm(forms.Form):
    map = id_field()


class EntryFilter(FilterForm):
    q = forms.CharField(required=False, max_length=60)


class DiffFilter(FilterForm):
    since = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class RunsForm(forms.Form):
    """Ids of labelling runs, as many as are ticked."""

    runs = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        field = self.fields["runs"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(pk, pk) for pk in data.getlist("runs") if pk.isascii() and pk.isdigit() and len(pk) < 19]


class SeatForm(forms.Form):
    seat = id_field()
    token = forms.IntegerField(min_value=0, max_value=2**31 - 1)


class AnswerForm(SeatForm):
    answer = forms.ChoiceField(choices=Judgement.Answer.choices)
