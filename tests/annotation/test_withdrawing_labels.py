"""A withdrawn corpus: what was rejected of files of labels of its prompts is gone, and so are the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as now
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.label_import import label_import_start
from annotation.models import Corpus, PromptIntent
from annotation.uploading import keep
from madsafe_web.core.models import RowTrail, Run, RunRow, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.factories import make_corpus, make_prompt, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def imported(name: str) -> tuple[Corpus, Path]:
    """A corpus with a label, and the sent file that it came from, one row of which was rejected."""
    corpus = make_corpus(name)
    make_prompt(f"a prompt of {name}", corpus, source_id="a")
    content = f'{{"traceid": "a", "label": "x"}}\n{{"traceid": "b", "label": "y", "note": "{name}"}}\n'
    path = keep(SimpleUploadedFile(f"{name}.jsonl", content.encode()))
    run, _new = label_import_start(user=make_user(f"{name} lead", User.Role.LEAD), path=path, corpus=corpus.pk)
    work_on(run.pk)
    return corpus, Path(now.BASE_DIR, path)


def test_of_the_withdrawn_corpus_and_no_other() -> None:
    (goes, file), (_stays, other) = imported("goes"), imported("stays")
    run = service.run_create(stage_name="withdraw", values={"corpus": goes.pk})
    assert service.run_start(run)
    work_on(run.pk)
    assert Run.objects.get(pk=run.pk).state == Run.State.DONE
    assert [trail.raw for trail in RowTrail.objects.order_by("pk")] == [
        "",
        '{"traceid": "b", "label": "y", "note": "stays"}',
    ]
    assert (file.exists(), other.exists()) == (False, True)
    assert (RunRow.objects.count(), PromptIntent.objects.count()) == (2, 2)
