"""What stands before Django's own handling of files that are sent: who may send any, and how many bytes in all.

The body of a form is read before the view is called, since the token against forged requests stands in it: without
this anybody could fill the disk. Bytes are counted as they come, not believed from a header.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from madsafe_web.core.access import can


class CappedUpload(FileUploadHandler):
    """Passes over the files of people who import nothing, and ends a request with more than UPLOAD_MAX_BYTES."""

    received = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        assert self.request is not None
        match = self.request.resolver_match
        # A view of the API is exempt from the check of forms, so its body is read only once it is known who sends it.
        late = match is not None and getattr(match.func, "csrf_exempt", False)
        if not late and not can(self.request.user, "run"):
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.UPLOAD_MAX_BYTES:
            raise RequestDataTooBig(f"The files sent are larger than {settings.UPLOAD_MAX_BYTES} bytes.")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The handlers after this one keep the file."""
