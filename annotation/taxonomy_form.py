"""The form in which people write a taxonomy: rows that are added, moved and removed before anything is saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.forms import id_field
from annotation.models import Taxonomy
from annotation.taxonomies import LONGEST_NOTE, MOST, TaxonomyRefused, rows_of, taxonomy_read
from annotation.taxonomy import CategoryRow

NAMES = tuple(one.name for one in fields(CategoryRow))
LARGEST_FILE = 2**20  # bytes; 24 categories with the longest texts need a fifth of it


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the form: `was` is the code that the category has in the version that is edited, "" for a new one."""

    was: str
    row: CategoryRow
    moved: bool = False  # by the button that was just pressed: it keeps the focus


class HeadForm(forms.Form):
    """What is said about the whole version; `parent` is the one that was edited."""

    parent = id_field()
    name = forms.CharField(max_length=120, label=_("Name"))
    note = forms.CharField(max_length=LONGEST_NOTE, required=False, label=_("Why it changes"))


class FileForm(forms.Form):
    file = forms.FileField()

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError(_("The file is larger than 1 MiB."))
        content: bytes = file.read()
        return content


class GuidelineForm(forms.Form):
    text_en = forms.CharField(required=False, label=_("In English"), widget=forms.Textarea(attrs={"rows": 8}))
    text_zh = forms.CharField(required=False, label=_("In Chinese"), widget=forms.Textarea(attrs={"rows": 8}))


class DiffForm(forms.Form):
    """Two versions, 0 for nothing."""

    old = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    new = forms.IntegerField(min_value=0, max_value=2**31 - 1)


def lines_of(taxonomy: Taxonomy) -> list[Line]:
    return [Line(row.code, row) for row in rows_of(taxonomy)]


def lines_from_file(content: bytes, taxonomy: Taxonomy) -> tuple[str, str, list[Line]]:
    """Name, note and rows of a file to go on with. Raises TaxonomyRefused for another kind of file."""
    name, note, rows = taxonomy_read(content)
    if len(rows) > MOST:
        raise TaxonomyRefused(_("A taxonomy has 1 to %(most)s categories.") % {"most": MOST})
    known = {row.code for row in rows_of(taxonomy)}
    return name, note, [Line(row.code if row.code in known else "", row) for row in rows]


def lines_sent(data: QueryDict) -> list[Line]:
    """The rows as they were sent. Raises TaxonomyRefused for a form that is not whole, or has far too many rows."""
    columns = {name: data.getlist(name) for name in ("was", *(f"row-{name}" for name in NAMES))}
    count = len(columns["was"])
    if count > MOST + 1 or any(len(values) != count for values in columns.values()):
        raise TaxonomyRefused(_("The form is not whole. Nothing was saved."))
    rows = zip(columns["was"], *(columns[f"row-{name}"] for name in NAMES), strict=True)
    return [Line(was, CategoryRow(*(_plain(value) for value in values))) for was, *values in rows]


def _plain(value: str) -> str:
    return value.strip().replace("\r\n", "\n")


def stepped(lines: list[Line], step: str) -> list[Line]:
    """The rows after a button: "add", or "up", "down" and "remove" with the number of a row, from 0."""
    verb, _colon, number = step.partition(":")
    at = int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else -1
    if verb == "add" and len(lines) < MOST:
        return [*lines, Line("", CategoryRow("", "", "", "", ""), moved=True)]
    if not 0 <= at < len(lines):
        return lines
    if verb == "remove":
        return lines[:at] + lines[at + 1 :]
    to = {"up": at - 1, "down": at + 1}.get(verb, at)
    if not 0 <= to < len(lines):
        return lines
    others = lines[:at] + lines[at + 1 :]
    return [*others[:to], Line(lines[at].was, lines[at].row, moved=True), *others[to:]]


def renamed(lines: list[Line]) -> dict[str, str]:
    """Old code → new code, for the rows whose code was written anew."""
    kept = {line.row.code for line in lines}
    return {line.was: line.row.code for line in lines if line.was and line.was not in kept}


def shown(lines: list[Line]) -> list[dict[str, Any]]:
    """The rows as the template reads them."""
    last = len(lines) - 1
    return [
        {"was": line.was, "moved": line.moved, "at": at, "first": at == 0, "last": at == last, **asdict(line.row)}
        for at, line in enumerate(lines)
    ]
