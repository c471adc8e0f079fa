"""Pages of a list by key, never by offset: the last page of a large table costs what the first one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import QueryDict

PAGE_ROWS = 50
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Pager:
    """Query strings of the neighbouring pages ("" = there is none); first and last row number, 0 = not known."""

    previous: str
    next: str
    total: int
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    rows: list[M]
    pager: Pager


class PlaceForm(forms.Form):
    """Where a page begins: below one id, or above another. Anything else means the first page."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    after = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


def newest_first(rows: QuerySet[M], query: QueryDict, size: int = PAGE_ROWS) -> Page[M]:
    """One page of `rows`, newest id first, in two queries: the count and the rows."""
    form = PlaceForm(query)
    form.is_valid()
    before, after = form.cleaned_data.get("before"), form.cleaned_data.get("after")
    if after and not before:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        newer, older = len(found) > size, True
        found = found[:size][::-1]
    else:
        found = list((rows.filter(pk__lt=before) if before else rows).order_by("-pk")[: size + 1])
        newer, older = bool(before), len(found) > size
        found = found[:size]
    previous = _query(query, "after", found[0]) if newer and found else ""
    following = _query(query, "before", found[-1]) if older and found else ""
    return Page(found, Pager(previous, following, rows.count()))


def _query(query: QueryDict, name: str, row: Model) -> str:
    """The current query string with another place."""
    changed = query.copy()
    for key in ("before", "after"):
        changed.pop(key, None)
    changed[name] = str(row.pk)
    return changed.urlencode()
