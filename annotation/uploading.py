"""A file sent by the browser on its way to a run of the stage `import`."""

from __future__ import annotations

import errno
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from annotation.importers._columns import column_map
from annotation.loading import importers, portable
from annotation.models import Corpus
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.tasks import enqueue
from madsafe_web.core.textio import sha256_file
from madsafe_web.core.wording import worded, worded_lazy

PART = "upload"  # how the name of an unfinished file ends


class ImportForm(forms.Form):
    """What is to be known about a file that becomes a corpus; empty fields take what the format says."""

    format = forms.ChoiceField(label=_("Format"))
    name = forms.CharField(label=_("Name of the corpus"), max_length=120)
    role = forms.ChoiceField(
        label=_("Use"), required=False, choices=[("", _("as the format says")), *Corpus.Role.choices]
    )
    licence = forms.CharField(label=_("Licence"), max_length=80, required=False)
    split = forms.CharField(
        label=_("Split"), max_length=20, required=False, help_text=_("Train, test or dev: kept with every row.")
    )
    answers = forms.FileField(
        label=_("Answers"), required=False, help_text=_("Only for benchmarks that keep them in a file of their own.")
    )
    dev = forms.FileField(
        label=_("Few-shot examples"), required=False, help_text=_("Of a benchmark that keeps them in another file.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["format"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(name, worded_lazy(importer.title)) for name, importer in importers().items()]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if Corpus.objects.filter(name=name).exists():
            raise ValidationError(_("There is already a corpus of this name."))
        return name


class UploadForm(ImportForm):
    """One file with what is to be known about it, sent at once."""

    file = forms.FileField(label=_("File"), help_text=_("JSON, JSONL or CSV, also zipped."))
    mapping = forms.CharField(max_length=20_000, required=False)

    def clean_file(self) -> UploadedFile[bytes]:
        return not_too_large(self.cleaned_data["file"])

    def clean_answers(self) -> UploadedFile[bytes] | None:
        file = self.cleaned_data["answers"]
        return not_too_large(file) if file else None

    def clean_dev(self) -> UploadedFile[bytes] | None:
        file = self.cleaned_data["dev"]
        return not_too_large(file) if file else None

    def clean_mapping(self) -> dict[str, Any]:
        text = self.cleaned_data["mapping"]
        if not text:
            return {}
        try:
            found = orjson.loads(text)
            column_map(found)
        except orjson.JSONDecodeError as error:
            raise ValidationError(_("The mapping is not JSON.")) from error
        except ConfigError as error:
            raise ValidationError(worded(str(error))) from error
        return dict(found)


def not_too_large(file: UploadedFile[bytes]) -> UploadedFile[bytes]:
    """The file. Raises ValidationError for one that is larger than a request may bring."""
    most = settings.UPLOAD_MAX_BYTES
    if (file.size or 0) > most:
        text = _("The file is larger than %(most)s MiB. Put it on the server and import it with import_corpus.")
        raise ValidationError(text % {"most": most // 2**20})
    return file


def declared(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the file of a valid `UploadForm`; gives it as the stage `import` takes it. Raises OSError."""
    answers, dev = values["answers"], values["dev"]
    return {
        "path": keep(values["file"]),
        "format": values["format"],
        "name": values["name"],
        "role": values["role"],
        "licence": values["licence"],
        "answers": keep(answers) if answers else "",
        "dev": keep(dev) if dev else "",
        "split": values["split"],
        "mapping": values["mapping"],
    }


@transaction.atomic
def import_start(*, user: User, declared: dict[str, Any]) -> Run:
    """Start the import of a kept file. Raises ConfigError for a parameter that is wrong."""
    run = service.run_create(stage_name="import", values={"files": [declared]}, user=user)
    service.run_start(run)
    enqueue(run)
    audit(user, "corpus.import", declared["name"], run=run.pk)
    return run


def keep(file: UploadedFile[bytes]) -> str:
    """Store a file under its hash; returns its path as the stage `import` takes it. The same file is stored once."""
    folder = uploads_folder()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{secrets.token_hex(8)}.{PART}"
    try:
        with part.open("wb") as out:
            for piece in file.chunks():
                out.write(piece)
        kept = hashed(part, safe_name(file.name or ""))
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return portable(kept)


@contextmanager
def on_disk(file: UploadedFile[bytes]) -> Iterator[Path]:
    """A file that is read at once and not kept: where it lies while entered. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="madsafe-") as folder:
        path = Path(folder, safe_name(file.name or ""))
        with path.open("wb") as out:
            out.writelines(file.chunks())
        yield path


def hashed(part: Path, name: str) -> Path:
    """Where a whole file is kept for imports, by its hash; the folder is made."""
    kept = uploads_folder() / sha256_file(part)[:16] / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    return kept


def is_full(error: OSError) -> bool:
    """True when there was no room left on the disk, or none for this account."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def uploads_folder() -> Path:
    """Where files are that browsers sent."""
    return Path(settings.VAR_DIR) / "uploads"


def safe_name(name: str) -> str:
    """The name of a file that somebody sent, such that it stays in its folder."""
    return re.sub(r"[^\w.-]+", "_", Path(name).name).lstrip(".")[-100:] or "file"
