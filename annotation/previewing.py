"""What a file that was sent would become: the form of the preview page, and the first rows as it reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.detecting import GENERIC, Proposal, detect, shown
from annotation.importers._columns import KINDS, column_map
from annotation.importers._guessing import Column, columns_in, guess, layout_of
from annotation.importers.base import Importer, ImportOptions
from annotation.loading import importers
from annotation.mappings import columns_named, mapping_of_file, mapping_save
from annotation.models import Upload
from annotation.pieces import path_of, uploads_kept
from annotation.uploading import ImportForm, import_start
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.textio import BadFile

USES = {
    "": _("not used"),
    "prompt": _("the prompt"),
    "reply": _("a response"),
    "positive": _("a preferred response"),
    "negative": _("a worse response"),
    "scenario": _("the scenario"),
    "attack_type": _("the attack type"),
    "source_id": _("the number in the source"),
    "options": _("an option, or all of them"),
    "answer": _("the right answer"),
}
_HEADERS = [("", _("names of the columns")), ("no", _("a row like the others"))]
_MOST_COLUMNS = 100
_ASK = _("Say which column holds the prompts.")


def _shown_again(part: str) -> dict[str, str]:
    """What makes a field show a part of the page anew when it changes, as the button does with the whole of it."""
    where = {"hx-target": f"#{part}", "hx-select": f"#{part}", "hx-swap": "outerHTML"}
    return {"hx-post": "", "hx-trigger": "change", "hx-vals": '{"do": "show"}', **where}


class PreviewForm(ImportForm):
    """How a file is to be imported."""

    answers_kept = forms.CharField(required=False, widget=forms.HiddenInput, max_length=32)
    dev_kept = forms.CharField(required=False, widget=forms.HiddenInput, max_length=32)
    format_shown = forms.CharField(required=False, widget=forms.HiddenInput, max_length=40)
    header = forms.ChoiceField(label=_("Line 1 is"), required=False, choices=_HEADERS)
    lines = forms.BooleanField(label=_("Each line is one prompt"), required=False)
    records = forms.CharField(
        label=_("List with the rows"), max_length=200, required=False, help_text=_("Its path in a JSON file: data.rows")
    )
    keep = forms.BooleanField(label=_("Keep the other columns with each row"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].widget.attrs |= _shown_again("preview")
        # The files that were chosen stay chosen, so each change would send and keep them once more.
        self.fields["licence"].widget.attrs |= _shown_again("may-leave") | {"hx-params": "not answers,dev"}

    def layout(self) -> dict[str, Any]:
        """How the rows lie in the file, as far as the form says so."""
        values = self.cleaned_data
        layout: dict[str, Any] = {"records": values["records"]} if values.get("records") else {}
        if values.get("header") == "no":
            layout["header"] = False
        return {**layout, "lines": True} if values.get("lines") else layout

    def uses(self) -> dict[str, str]:
        """Column → what it is used for, as ticked in the table of columns."""
        data = self.data
        if not isinstance(data, QueryDict):
            return {}
        pairs = zip(data.getlist("column")[:_MOST_COLUMNS], data.getlist("use"), strict=False)
        return {column: use for column, use in pairs if use in USES}


def proposal_first(upload: Upload) -> tuple[Proposal, dict[str, Any]]:
    """The likeliest format with the form's first values. Where none fits, the one whose columns people name."""
    path = path_of(upload)
    found = detect(path)
    proposal = found[0] if found else _asking(path)
    if proposal.name == GENERIC and (saved := mapping_of_file(path)):
        proposal = shown(proposal.importer, path, ImportOptions(mapping=saved))
    initial = {"format": proposal.name, "format_shown": proposal.name, "name": _name(upload)}
    licence = licence_stated(proposal.importer, upload)
    return proposal, {**initial, "licence": licence, **layout_values(proposal.mapping)}


def licence_stated(importer: Importer, upload: Upload) -> str:
    """The licence by the format or the file itself, "" where nothing says it."""
    try:
        return importer.licence_of(path_of(upload))
    except BadFile:
        return importer.licence


def values_shown(upload: Upload, form: PreviewForm, proposal: Proposal) -> dict[str, Any]:
    """What the form says when a proposal is shown: a licence that the format before stated gives way to this one's."""
    values = {"format_shown": proposal.name, **layout_values(proposal.mapping)}
    before = importers().get(form.cleaned_data.get("format_shown", ""))
    given = form.cleaned_data.get("licence", "")
    if before and before != proposal.importer and given in ("", licence_stated(before, upload)):
        values["licence"] = licence_stated(proposal.importer, upload)
    return values


def _asking(path: Path) -> Proposal:
    """The generic format of a file in which nothing looks like prompts: what is wrong with it, or the question."""
    importer = importers()[GENERIC]
    try:
        layout = layout_of(path)
        columns = columns_in(path, layout)
    except BadFile as error:
        return Proposal(importer, problem=str(error))
    asked = _ASK if columns else _("There are no rows in the file. Check that it is the right one.")
    return Proposal(importer, mapping=layout, problem=str(asked))


def layout_values(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the form that say how the rows lie in the file."""
    return {
        "header": "no" if mapping.get("header") is False else "",
        "lines": bool(mapping.get("lines")),
        "records": mapping.get("records", ""),
        "keep": bool(mapping.get("keep")),
    }


def proposal_of(upload: Upload, form: PreviewForm, options: ImportOptions) -> Proposal:
    """What the format of a form makes of the file."""
    importer = importers()[form.cleaned_data["format"]]
    if importer.name != GENERIC:
        return shown(importer, path_of(upload), options)
    try:
        mapping = mapping_of(upload, form)
        column_map(mapping)
    except BadFile as error:
        return Proposal(importer, problem=str(error))
    except ConfigError:
        return Proposal(importer, mapping=form.layout(), problem=str(_ASK))
    return shown(importer, path_of(upload), ImportOptions(split=options.split, mapping=mapping))


def mapping_of(upload: Upload, form: PreviewForm) -> dict[str, Any]:
    """The mapping that the form says; the one last used or a guess where it was not asked yet. Raises BadFile."""
    uses, layout = form.uses(), form.layout()
    if not uses:
        return mapping_of_file(path_of(upload)) or guess(path_of(upload))
    if layout.get("lines"):
        return {**layout, "prompt": "1"}
    names = {column.path for column in columns_in(path_of(upload), layout)}
    if not names & set(uses):
        return layout  # the rows lie otherwise than when the columns were shown
    by_use: dict[str, list[str]] = {}
    for column, use in uses.items():
        if column in names and use:
            by_use.setdefault(use, []).append(column)
    singles = {use: columns[0] for use, columns in by_use.items() if use not in (*KINDS, "options")}
    responses = [{"path": path, "kind": kind} for kind in KINDS for path in by_use.get(kind, [])]
    several = {
        "responses": responses,
        "options": by_use.get("options", []),
        "keep": bool(form.cleaned_data.get("keep")),
    }
    return {**layout, **singles, **{name: value for name, value in several.items() if value}}


def columns_of_file(upload: Upload, mapping: Mapping[str, Any]) -> list[tuple[Column, str]]:
    """The columns of the first rows with what a mapping uses them for."""
    uses = {mapping[name]: name for name in ("answer", "source_id", "attack_type", "scenario") if name in mapping}
    uses |= dict.fromkeys(mapping.get("options", []), "options")
    uses |= {one["path"]: one["kind"] for one in mapping.get("responses", [])}
    if "prompt" in mapping:
        uses[mapping["prompt"]] = "prompt"
    try:
        layout = {name: mapping[name] for name in ("records", "header", "lines") if name in mapping}
        return [(column, uses.get(column.path, "")) for column in columns_in(path_of(upload), layout)]
    except BadFile:
        return []


def preview_import(
    *, user: User, upload: Upload, values: Mapping[str, Any], mapping: dict[str, Any], extra: Mapping[str, Upload]
) -> Run:
    """Keep the file and start its import; `extra` are the answers and the examples. Raises OSError, ConfigError."""
    columns = columns_named(path_of(upload))
    declared: dict[str, Any] = {name: values[name] for name in ("format", "name", "role", "licence", "split")}
    files = {"path": upload, **extra}
    with uploads_kept(files.values()) as paths:
        if mapping and columns:
            mapping_save(columns=columns, mapping=mapping, user=user)
        return import_start(
            user=user, declared={**declared, **dict(zip(files, paths, strict=True)), "mapping": mapping}
        )


def own(rows: QuerySet[Upload], token: str) -> Upload | None:
    """The whole file of that token among `rows`."""
    return rows.filter(token=token).exclude(path="").first() if token else None


def _name(upload: Upload) -> str:
    name = upload.name
    for ending in (".gz", ".zip", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet"):
        name = name.removesuffix(ending)
    return (name or upload.name)[:120]
