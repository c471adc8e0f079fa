from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.uploading import UploadForm

pytestmark = pytest.mark.django_db


def test_a_file_may_be_as_large_as_the_settings_say(settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 4 * 2**20
    form = UploadForm({}, {"file": SimpleUploadedFile("rows.json", b"0" * (4 * 2**20 + 1))})
    assert "larger than 4 MiB" in str(form.errors["file"])
    settings.UPLOAD_MAX_BYTES += 1
    assert "file" not in UploadForm({}, {"file": SimpleUploadedFile("rows.json", b"0" * (4 * 2**20 + 1))}).errors
