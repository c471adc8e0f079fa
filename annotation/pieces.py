"""A file that comes from a browser piece by piece, so that a broken connection or a reloaded page goes on where it was.

The bytes so far lie in a folder of the upload's token. A piece is only ever appended, at the offset where the file
ends, under a lock of the file: what was sent twice or out of order changes nothing. Nothing is imported by it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import FileIO
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.loading import portable
from annotation.models import Upload
from annotation.uploading import PART, hashed, safe_name, uploads_folder
from madsafe_web.core.models import User
from madsafe_web.core.textio import sha256_file

PIECE_BYTES = 4 * 2**20
HEAD_BYTES = 64 * 2**10  # static/js/upload.js sends as many, to tell a file from another of its name and size
KEPT = timedelta(days=7)  # how long an unfinished upload stays
MOST_OPEN = 20  # uploads of one person
_SPARE_BYTES = 64 * 2**20  # of the disk, left for the database
_TOKEN_BYTES = 16


class UploadError(Exception):
    """A file that cannot be taken. The message says why and what was kept; `status` is that of the answer."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class OtherOffset(Exception):
    """A piece that does not begin where the file ends; `offset` says where that is."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the file has {offset} bytes")
        self.offset = offset


def upload_begin(
    *, user: User, name: str, size: int, modified: int = 0, head: UploadedFile[bytes] | None = None
) -> Upload:
    """The person's unfinished upload of the same file, or a new one. Raises UploadError.

    It is the same by its name, its size, when it was last modified (milliseconds since 1970) and its first bytes.
    """
    uploads_tidy()
    name = "".join(filter(str.isprintable, name))[:120] or "file"
    known = {"user": user, "name": name, "size": size, "modified": modified, "head_sha256": _digest(head)}
    found = Upload.objects.filter(**known, path="").order_by("pk").first()
    if found:
        upload_settle(upload=found)
        return found
    _refuse_size(size)
    if Upload.objects.filter(user=user).count() >= MOST_OPEN:
        raise UploadError(_("There are too many files of yours that were not imported. Import or remove some first."))
    return Upload.objects.create(token=secrets.token_hex(_TOKEN_BYTES), **known)


def _digest(head: UploadedFile[bytes] | None) -> str:
    return hashlib.sha256(head.read(HEAD_BYTES)).hexdigest() if head else ""


def piece_add(*, upload: Upload, offset: int, piece: UploadedFile[bytes]) -> int:
    """Append a piece; gives the size of the file so far. The last piece makes the upload whole.

    Raises OtherOffset for one that begins elsewhere, UploadError when it is too much or the disk is full.
    """
    with _locked(_part(upload)) as file:
        end = file.seek(0, os.SEEK_END)
        if offset != end:
            raise OtherOffset(end)
        if end + (piece.size or 0) > upload.size:
            raise UploadError(_("More bytes came than the file has. Choose it again."))
        if piece.size:
            _append(file, end, piece)
    upload_settle(upload=upload)
    return end + (piece.size or 0)


def upload_settle(*, upload: Upload) -> None:
    """Make an upload whole whose bytes are all there, also where a worker was killed between the two."""
    if not upload.path and held(upload) == upload.size:
        _whole(upload)


def _whole(upload: Upload) -> None:
    upload.path = portable(_part(upload))
    Upload.objects.filter(pk=upload.pk).update(path=upload.path)


def upload_whole(*, user: User, file: UploadedFile[bytes]) -> Upload:
    """A file that came in one request. Raises UploadError."""
    name = Path(file.name or "file").name
    upload = upload_begin(user=user, name=name, size=file.size or 0)
    with _locked(_part(upload)) as part:
        part.truncate(0)
        _append(part, 0, file)
    _whole(upload)
    return upload


def held(upload: Upload) -> int:
    """Bytes that are there."""
    path = _part(upload)
    return path.stat().st_size if path.is_file() else 0


def upload_cancel(*, upload: Upload) -> None:
    """Forget a file that was not imported."""
    upload.delete()
    shutil.rmtree(_folder(upload), ignore_errors=True)


@contextmanager
def uploads_kept(uploads: Collection[Upload]) -> Iterator[list[str]]:
    """Keep whole files under their hashes; while entered, a transaction in which their import is written down.

    Gives their paths as the stage `import` takes them. The uploads end with it; on an error they are as they were.
    Raises FileNotFoundError where another request imported or removed one, OSError where one cannot be kept.
    """
    new: list[Path] = []
    try:
        paths = [portable(_kept(path_of(upload), new)) for upload in uploads]  # takes long: before the transaction
        with transaction.atomic():
            _end(uploads)
            yield paths
    except BaseException:
        for kept in new:
            kept.unlink(missing_ok=True)
        raise
    for upload in uploads:
        shutil.rmtree(_folder(upload), ignore_errors=True)


def _end(uploads: Collection[Upload]) -> None:
    found = {upload.pk for upload in uploads}
    if Upload.objects.filter(pk__in=found).delete()[0] != len(found):
        raise FileNotFoundError("The file was imported or removed meanwhile.")


def _kept(part: Path, new: list[Path]) -> Path:
    kept = hashed(part, part.name)
    if not kept.exists():
        _second_name(part, kept)
        new.append(kept)
    return kept


def _second_name(part: Path, kept: Path) -> None:
    """Name the file anew beside its old name: the upload stays whole until its import is written down."""
    other = kept.with_name(f"{secrets.token_hex(8)}.{PART}")
    try:
        try:
            os.link(part, other)
        except OSError:
            shutil.copyfile(part, other)  # on a disk that knows no second names
        other.replace(kept)
    finally:
        other.unlink(missing_ok=True)


def path_of(upload: Upload) -> Path:
    """Where the whole file lies."""
    return Path(settings.BASE_DIR, upload.path)


def uploads_tidy() -> None:
    """Forget what was begun over a week ago and never imported."""
    for old in Upload.objects.filter(created__lt=timezone.now() - KEPT):
        upload_cancel(upload=old)


def uploads_forget(hashes: Collection[str]) -> int:
    """Forget the whole files with one of these hashes that still wait for their import; gives their number."""
    waiting = [one for one in Upload.objects.order_by("pk") if held(one) == one.size]
    found = [one for one in waiting if sha256_file(_part(one)) in hashes]
    for one in found:
        upload_cancel(upload=one)
    return len(found)


def _folder(upload: Upload) -> Path:
    return uploads_folder() / upload.token


def _part(upload: Upload) -> Path:
    return _folder(upload) / safe_name(upload.name)


def _refuse_size(size: int) -> None:
    most = settings.UPLOAD_MAX_BYTES
    if size > most:
        text = _("The file is larger than %(most)s MiB. Put it on the server and import it with import_corpus.")
        raise UploadError(text % {"most": most // 2**20}, 413)
    folder = Path(settings.VAR_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size + _SPARE_BYTES:
        raise UploadError(_("The server's disk has no room for this file. Nothing was kept; ask your admin."), 507)


@contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)  # unbuffered: nothing is left to be written after an error
    except OSError as error:
        raise _no_room() from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        yield file


def _append(file: FileIO, held: int, piece: UploadedFile[bytes]) -> None:
    try:
        for chunk in piece.chunks():
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        os.ftruncate(file.fileno(), held)
        raise _no_room() from error


def _no_room() -> UploadError:
    text = _("The server's disk is full. What came before is kept; make room, then choose the file again.")
    return UploadError(text, 507)
