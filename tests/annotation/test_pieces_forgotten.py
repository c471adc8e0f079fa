"""Whole files that wait for an import: forgotten when their corpus is withdrawn, and after a week."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotation.models import Corpus, Upload
from annotation.pieces import KEPT, upload_whole
from annotation.uploading import import_start, keep
from annotation.withdrawing import withdrawal_start
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stages import point
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary words"
ROWS = json.dumps([{"instruction": CANARY, "input": "", "output": CANARY}]).encode()


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def waiting(person: Person, name: str, content: bytes = ROWS) -> Upload:
    return upload_whole(user=person.user, file=SimpleUploadedFile(name, content))


def names_left() -> list[str]:
    return [one.name for one in Upload.objects.order_by("pk")]


def test_files_like_that_of_a_withdrawn_corpus_are_forgotten(lead: Person, annotator: Person, var: Path) -> None:
    path = keep(SimpleUploadedFile("rows.json", ROWS))
    work_on(import_start(user=lead.user, declared={"path": path, "format": "alpaca", "name": "One"}).pk)
    waiting(lead, "again.json")
    stuck = waiting(annotator, "stuck.json")
    Upload.objects.filter(pk=stuck.pk).update(path="")  # killed before it was written down that the file is whole
    waiting(lead, "another.json", b"[]")
    run = withdrawal_start(user=lead.user, corpus=Corpus.objects.get(name="One"))
    assert work_on(run.pk).state == Run.State.DONE
    assert names_left() == ["another.json"]
    assert not [path for path in var.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_every_sweep_forgets_what_nobody_imported_for_a_week(lead: Person) -> None:
    old = waiting(lead, "old.json")
    waiting(lead, "new.json", b"[1]")
    Upload.objects.filter(pk=old.pk).update(created=timezone.now() - KEPT - timedelta(minutes=1))
    for hook in settings.SWEEP_HOOKS:
        point(hook)()
    assert names_left() == ["new.json"]
