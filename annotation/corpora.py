"""What leads do with a corpus: what its rows may be used for, and the rows of its files that could not be imported."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from annotation.correcting import answers_of, corrected_rows, row_mapping
from annotation.models import Corpus
from annotation.uploading import import_start, keep
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, User
from madsafe_web.core.registry import plugins


class UseForm(forms.Form):
    """The licence of a corpus and whether what derives from it may leave in exports."""

    licence = forms.CharField(label=_("Licence"), max_length=80, required=False)
    exportable = forms.BooleanField(label=_("May leave in exports"), required=False)


class CorrectedForm(forms.Form):
    """A file of rejected rows that somebody corrected."""

    file = forms.FileField(
        label=_("Corrected rows"), help_text=_("The downloaded file with its rows corrected, one JSON object a line.")
    )


class WithdrawForm(forms.Form):
    """The name of the corpus, typed: nothing brings back what is withdrawn."""

    name = forms.CharField(label=_("Type the name of the corpus"), max_length=120)

    def __init__(self, corpus: Corpus, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.corpus = corpus
        self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name != self.corpus.name.strip():
            raise ValidationError(_("This is not its name. Nothing was withdrawn."))
        return name


@transaction.atomic
def corpus_change(*, user: User, corpus: Corpus, licence: str, exportable: bool) -> None:
    """Note the licence and whether exports may hold what derives from the corpus. A withdrawn one stays barred."""
    before = Corpus.objects.select_for_update().get(pk=corpus.pk)
    exportable = exportable and before.withdrawn is None
    Corpus.objects.filter(pk=corpus.pk).update(licence=licence, exportable=exportable)
    if before.licence != licence:
        audit(user, "corpus.licence", corpus.name, corpus=corpus.pk, before=before.licence, after=licence)
    if before.exportable != exportable:
        audit(user, "corpus.exportable", corpus.name, corpus=corpus.pk, before=before.exportable, after=exportable)


def takes_corrections(corpus: Corpus) -> bool:
    """Whether corrected rows can come in: its format can be read, and it was not withdrawn."""
    return corpus.withdrawn is None and corpus.format in plugins("annotation.importers", "IMPORTER")


def corrected_import(*, user: User, corpus: Corpus, file: UploadedFile[bytes]) -> Run:
    """Start the import of corrected rows into the corpus that they were rejected from. Raises OSError."""
    declared: dict[str, Any] = {
        "path": keep(corrected_rows(file, corpus.file_name)),
        "format": corpus.format,
        "name": corpus.name,
        "answers": answers_of(corpus),
        "split": corpus.split,
        "into": corpus.pk,
        "mapping": row_mapping(corpus.mapping),
    }
    return import_start(user=user, declared=declared)
