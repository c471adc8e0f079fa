"""The filter of prompts as it stands in an address: what the explorer, its facets, its exports and the API take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.catalogue.wanted import FACETS, NONE, NUMBERS, SCORES, Range, Wanted
from annotation.forms import FilterForm
from annotation.models import Prompt
from annotation.selectors import codes_known
from annotation.text import folded

BESIDES = ("map", "label_q", "open", "sort", "page")  # parts of an address that leave out no prompt
MOST_VALUES, LONGEST_VALUE = 50, 200
EMPTY = (
    "-"  # stands in an address for the empty value, as of prompts without a scenario; for "-" stands "--", and so on
)
SORTS = {
    "-id": _("Newest first"),
    "id": _("Oldest first"),
    "perplexity": _("Perplexity, lowest first"),
    "-perplexity": _("Perplexity, highest first"),
    "response_safety": _("Response safety, lowest first"),
    "-response_safety": _("Response safety, highest first"),
    "instruction_safety": _("Instruction safety, lowest first"),
    "-instruction_safety": _("Instruction safety, highest first"),
    "length": _("Shortest first"),
    "-length": _("Longest first"),
}
ANSWERED = {"yes": _("With a response"), "no": _("Without a response")}
LANGUAGES = {"zh": _("Chinese"), "en": _("English"), "mixed": _("Mixed"), "other": _("Other languages")}


class ManyField(forms.Field):
    """Several texts, each once; `choices` names all that there are or finds them out, `numbers` takes ids."""

    widget = forms.SelectMultiple

    def __init__(self, choices: Sequence[str] | Callable[[], Sequence[str]] = (), numbers: bool = False) -> None:
        super().__init__(required=False)
        self.known, self.numbers = choices, numbers

    def to_python(self, value: Any) -> tuple[str, ...]:
        given = [value] if isinstance(value, str) else value or []
        found = tuple(dict.fromkeys(one for one in given if one))
        known = self.known() if callable(self.known) and found else self.known
        if len(found) > MOST_VALUES or not all(self.fits(one, known) for one in found):
            raise ValidationError(_("There is no such value."))
        return found

    def fits(self, value: str, known: Any) -> bool:
        if self.numbers:
            return value.isascii() and value.isdecimal() and len(value) <= 18
        return value in known if known else len(value) <= LONGEST_VALUE and "\x00" not in value


class NumberField(forms.FloatField):
    """A finite number; none where the field is empty."""

    def __init__(self, least: float, most: float | None) -> None:
        super().__init__(required=False, min_value=least, max_value=most)


class PromptFilter(FilterForm):
    """Values of one facet widen what fits, facets narrow it. `perplexity` is taken as people see it, not in nats."""

    q = forms.CharField(required=False, max_length=200)
    within = forms.ChoiceField(required=False, choices=[("responses", "responses")])
    map = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)  # version of a published map
    corpus = ManyField(numbers=True)
    category = ManyField(lambda: [*codes_known(), NONE])
    label = ManyField(numbers=True)
    language = ManyField([*LANGUAGES])
    scenario = ManyField()
    attack = ManyField()
    origin = ManyField(Prompt.Origin.values)
    state = ManyField(Prompt.State.values)
    responses = ManyField([*ANSWERED])
    perplexity_min, perplexity_max = NumberField(1, None), NumberField(1, None)
    response_safety_min, response_safety_max = NumberField(0, 1), NumberField(0, 1)
    instruction_safety_min, instruction_safety_max = NumberField(0, 1), NumberField(0, 1)
    label_q = forms.CharField(required=False, max_length=60)  # looks among the labels, not among the prompts
    open = ManyField([*FACETS, SCORES])  # facets that the page itself counts, for readers without JavaScript
    sort = forms.CharField(required=False, max_length=40)
    page = forms.CharField(required=False, max_length=40)

    def clean_sort(self) -> str:
        sort: str = self.cleaned_data["sort"]
        return sort if sort in SORTS and sort != "-id" else ""

    def clean_page(self) -> int | None:
        """A page beyond the last one is the last one, anything else that is no page the first."""
        text: str = self.cleaned_data["page"]
        number = int(text) if text.isascii() and text.isdecimal() else 1
        return number if number > 1 else None

    @property
    def narrowed(self) -> bool:
        """Whether any filter is set."""
        return any(self.kept[name] not in (None, "", ()) for name in self.fields if name not in BESIDES)

    def pairs(self, **changes: Any) -> list[tuple[str, str]]:
        """Names and values of everything that is set, with these changes, in the order of the fields."""
        found = []
        for name in self.fields:
            value = changes.get(name, self.kept[name])
            many = value if isinstance(value, tuple) else (value,)
            found += [(name, _plain(one)) for one in many if one not in (None, "")]
        return found

    def address(self, **changes: Any) -> str:
        """The query string of this filter with these changes; from the first page on, unless `page` is named."""
        query = QueryDict(mutable=True)
        for name, value in self.pairs(**{"page": None, **changes}):
            query.appendlist(name, value)
        return query.urlencode()

    def wanted(self, merge_map: int | None) -> Wanted:
        """What the catalogue is asked for, categories by this map."""
        kept, typed = self.kept, self.text("q")
        chosen = {name: tuple(map(stored_value, kept[name] or ())) for name in FACETS}
        return Wanted(
            text=folded(typed),
            typed=typed,
            within=bool(kept["within"] and typed),
            merge_map=merge_map,
            chosen={name: values for name, values in chosen.items() if values},
            ranges={name: self.range(name) for name in NUMBERS},
            sort=self.text("sort") or "-id",
        )

    def range(self, name: str) -> Range:
        """Least and most of a score, as it is stored."""
        least, most = self.kept[f"{name}_min"], self.kept[f"{name}_max"]
        if name != "perplexity":
            return least, most
        return math.log(least) if least is not None else None, math.log(most) if most is not None else None


def address_value(stored: str) -> str:
    """The value of a facet as it stands in an address, where an empty one would not stand: one dash more for dashes."""
    return f"{EMPTY}{stored}" if set(stored) <= {EMPTY} else stored


def stored_value(value: str) -> str:
    """The value of a facet as it is stored, from an address."""
    return value[1:] if set(value) == {EMPTY} else value


def _plain(value: Any) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """A number with all of its digits, so that reading it gives the same number; without an empty fraction."""
    return repr(value).removesuffix(".0")
