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
from annotation.selectors import codes_known

# The parts of the merge page, and what narrows its lists.
PAGES = {"proposals": _("Proposals"), "flat": _("Flat"), "undecided": _("Undecided"), "conflicts": _("Conflicts")}
VIEWS = {"undecided": _("Undecided"), "decided": _("Decided"), "differs": _("Not as suggested"), "all": _("All")}
LANGUAGES = {"zh": _("Chinese"), "en": _("English")}
SIZES = {"1000": _("1,000 or more"), "100": _("100 to 999"), "10": _("10 to 99"), "1": _("fewer than 10")}
SURE = {"high": _("0.9 or more"), "middle": _("0.6 to 0.9"), "low": _("below 0.6"), "none": _("no suggestion")}
EVIDENCE = {
    "A": _("same name"),
    "B": _("similar name"),
    "C": _("same prompts"),
    "D": _("a model suggests it"),
    "E": _("learned from decisions"),
}
FACET_NAMES = {
    "state": _("State"),
    "category": _("Category"),
    "corpus": _("Corpus"),
    "lang": _("Language"),
    "size": _("Prompts"),
    "sure": _("Confidence"),
    "evidence": _("Evidence"),
    "who": _("Decided by"),
    "since": _("Changed since"),
}
RULE_TEXT, NOBODY_TEXT = _("a rule"), _("nobody")
FACETS = ("category", "corpus", "lang", "size", "sure", "evidence", "who", "since")
LARGEST_ID = 2**63 - 1
MARKED = re.compile(r"(\d{1,18}):(\d{1,9})")
MOST_TOGETHER = 500


def codes() -> list[tuple[str, str]]:
    """The codes of all taxonomies as choices, looked up when a form is checked."""
    return [(code, code) for code in codes_known()]


def targets() -> list[tuple[str, str]]:
    """The codes, and what is no safety label."""
    return [*codes(), ("DROP", "DROP")]


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


class DistributionFilter(FilterForm):
    """Which map the distributions are read by, what is counted, and which corpora stand side by side."""

    map = id_field(required=False)  # version
    by = forms.ChoiceField(required=False, choices=[(name, name) for name in ("label", "theme", "category")])
    corpus = id_field(required=False)
    first = id_field(required=False)
    second = id_field(required=False)


class LabelFilter(FilterForm):
    view = forms.ChoiceField(required=False, choices=list(PAGES.items()))
    state = forms.ChoiceField(required=False, choices=list(VIEWS.items()))
    q = forms.CharField(required=False, max_length=60)
    category = forms.ChoiceField(required=False, choices=codes)
    corpus = id_field(required=False)
    lang = forms.ChoiceField(required=False, choices=list(LANGUAGES.items()))
    size = forms.ChoiceField(required=False, choices=list(SIZES.items()))
    sure = forms.ChoiceField(required=False, choices=list(SURE.items()))
    evidence = forms.ChoiceField(required=False, choices=list(EVIDENCE.items()))
    who = forms.CharField(required=False, max_length=150)
    since = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    label = id_field(required=False)
    more = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_ID)
    whole = forms.BooleanField(required=False)

    @property
    def view_name(self) -> str:
        return self.text("view") or "proposals"

    @property
    def state_name(self) -> str:
        """Which labels the list holds, by what is decided about them."""
        open_only = self.view_name in ("proposals", "undecided")
        return "undecided" if open_only else self.text("state") or "all"

    @property
    def narrowed(self) -> bool:
        """Whether anything but the search narrows the list."""
        return any(self.text(name) for name in ("state", *FACETS))

    def place(self) -> str:
        """The query string to come back to, without the label."""
        self.kept["view"] = self.view_name
        return self.query("view", "state", "q", *FACETS)


class RestForm(LabelFilter):
    """What the list holds beside the lines that are shown already, named by their ids."""

    shown = forms.RegexField(r"^\d{1,18}(,\d{1,18}){0,99}$", required=False)

    @property
    def shown_ids(self) -> set[int]:
        return {int(pk) for pk in self.text("shown").split(",") if pk}


class PresenceForm(FilterForm):
    label = id_field(required=False)


class PlaceForm(forms.Form):
    """The query string of the merge page to go back to."""

    query = forms.CharField(required=False, max_length=500)

    def clean_query(self) -> str:
        return LabelFilter(QueryDict(self.cleaned_data["query"])).place()


class SeenForm(PlaceForm):
    """Labels as somebody saw them: the one shown and those ticked with it, and what else stands in their proposal."""

    label = id_field()
    revision = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    item = id_field(required=False)  # the proposal in the list, named by its first label

    def clean(self) -> dict[str, Any]:
        """Gather the labels under `seen` as pairs of id and revision, the others of the proposal under `rest`."""
        values = super().clean() or self.cleaned_data
        marked = dict(self._pairs("also"))
        if "label" in values and "revision" in values:
            marked[values["label"]] = values["revision"]
        rest = [pk for pk, _revision in self._pairs("rest") if pk not in marked]
        return {**values, "seen": list(marked.items()), "rest": rest}

    def _pairs(self, name: str) -> list[tuple[int, int]]:
        # A form made of a plain dictionary has no lists.
        texts = self.data.getlist(name) if isinstance(self.data, QueryDict) else []
        matches = [MARKED.fullmatch(text) for text in texts]
        if not all(matches) or len(matches) > MOST_TOGETHER:
            raise ValidationError(_("The ticked labels could not be read."))
        return [(int(match[1]), int(match[2])) for match in matches if match]


class AssignForm(SeenForm):
    category = forms.ChoiceField(required=False, choices=targets)


class ThemeForm(SeenForm):
    theme = forms.CharField(required=False, max_length=60)


class CommentForm(SeenForm):
    text = forms.CharField(max_length=500)


class MapForm(forms.Form):
    map = id_field()
    note = forms.CharField(required=False, max_length=300)
    seen = forms.CharField(required=False, max_length=64)


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
