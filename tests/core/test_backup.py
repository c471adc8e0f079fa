"""The parts of a backup: the archive and what is wrong with one, rows as lines, files that belong and that do not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from annotation.models import Prompt
from madsafe_web.core.backup import files, making, restoring, rows
from madsafe_web.core.backup.archive import MANIFEST, BackupError, Manifest, Writer, verified
from madsafe_web.core.models import ApiToken, AuditEvent, Run
from tests.factories import make_prompts, make_run, make_user


def manifest() -> Manifest:
    return Manifest(made="2026-01-01T00:00:00+00:00", vendor="sqlite", migrations={"core": ["0001_initial"]}, var="v")


def archive(**contents: bytes) -> bytes:
    """A whole backup with these members below files/."""
    out = io.BytesIO()
    writer = Writer(out, manifest())
    for name, data in contents.items():
        writer.add_bytes(f"files/sets/{name}", data)
    writer.end()
    return out.getvalue()


def tar(*members: tuple[str, bytes]) -> bytes:
    """Any tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(BackupError) as caught:
        verified(io.BytesIO(data), "some.backup")
    return str(caught.value)


# --- the archive ---


def test_a_whole_archive_is_what_its_manifest_says() -> None:
    found, digest = verified(io.BytesIO(archive(one=b"first", two=b"second")), "some.backup")
    assert found.files() == ["sets/one", "sets/two"]
    assert len(digest) == 64


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.4, 0.6])
def test_a_torn_archive_is_refused_by_name(kept: float) -> None:
    whole = archive(one=b"x" * 20_000, two=b"y" * 20_000)
    last = whole.rindex(MANIFEST.encode())
    assert "some.backup" in refusal(whole[: int(last * kept)])


@pytest.mark.parametrize("member", [b"first", b"second"])
def test_a_changed_byte_is_told_with_the_member(member: bytes) -> None:
    data = archive(one=b"first", two=b"second").replace(member, member[::-1], 1)
    name = {b"first": "files/sets/one", b"second": "files/sets/two"}[member]
    assert f"{name} is not what was written" in refusal(data)


def test_a_member_that_the_manifest_does_not_have_is_refused() -> None:
    content = orjson.dumps({"made": "", "vendor": "", "migrations": {}, "var": "", "format": 1})
    assert "files/a/b is not what was written" in refusal(tar(("files/a/b", b"x"), (MANIFEST, content)))


def test_what_comes_after_the_manifest_is_refused() -> None:
    content = orjson.dumps({"made": "", "vendor": "", "migrations": {}, "var": "", "format": 1})
    assert "after its end" in refusal(tar((MANIFEST, content), ("files/a/b", b"x")))


def test_another_format_and_another_file_are_refused() -> None:
    assert "has format 7" in refusal(tar((MANIFEST, orjson.dumps({"format": 7}))))
    assert "no readable manifest" in refusal(tar((MANIFEST, b"[1]")))
    assert "is no backup" in refusal(b"some text that is no archive" * 100)


def test_a_link_is_no_member() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo("files/sets/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(info)
    assert "is no plain file" in refusal(out.getvalue())


# --- files ---


@pytest.fixture
def var(tmp_path: Path) -> Path:
    for name in (
        *("secret_key", "encryption_keys", "madsafe.sqlite3", "sets/set-1.jsonl", "uploads/ab/file.json"),
        *("broker/queue/1.msg", "logs/x", "backups/old.tar", "export/.set.tmp", "uploads/x.part"),
        *("models/tiny/model.safetensors", "training/run-1/train.log", "training/run-1/output/model.safetensors"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (tmp_path / "sets" / "link").symlink_to(tmp_path / "secret_key")
    return tmp_path


KEPT = ["sets/set-1.jsonl", "training/run-1/train.log", "uploads/ab/file.json"]
WEIGHTS = ["models/tiny/model.safetensors", "training/run-1/output/model.safetensors"]


def test_keys_databases_messages_and_unfinished_files_stay_out(var: Path) -> None:
    assert sorted(map(str, files.walk(var, without_models=False))) == sorted([*KEPT, *WEIGHTS])


def test_a_folder_that_is_a_link_is_named_and_not_left_out_in_silence(var: Path) -> None:
    (var / "linked").symlink_to(var / "sets")
    with pytest.raises(BackupError, match="linked is a link"):
        list(files.walk(var, without_models=False))


def test_models_and_training_outputs_can_be_left_out(var: Path) -> None:
    assert sorted(map(str, files.walk(var, without_models=True))) == KEPT


@pytest.mark.parametrize(
    "name", ["../x/y", "/etc/passwd", "sets/../../x", "secret_key", "madsafe.sqlite3", "broker/queue/1.msg"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackupError, match="no place"):
        files.target(tmp_path, name)


def test_nothing_is_written_through_a_link_of_the_var_folder(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "sets").symlink_to(tmp_path)
    with pytest.raises(BackupError, match="through a link"):
        files.target(tmp_path / "var", "sets/x")


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "sets" / "x", Torn())
    assert list((tmp_path / "sets").iterdir()) == []


# --- rows ---


def taken(model: rows.Model) -> list[tuple[object, ...]]:
    return list(model._base_manager.order_by("pk").values_list(*rows.columns(model)))


@pytest.mark.django_db
def test_rows_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PART_BYTES", 500)
    make_prompts(30, scenario="ein Szenario, 场景, \u2028 and \\ \" '")
    before = taken(Prompt)
    parts = list(rows.parts(Prompt))
    assert len(parts) > 3 and sum(count for _, count in parts) == 30
    Prompt.objects.all().delete()
    assert sum(rows.load(Prompt, rows.columns(Prompt), data) for data, _ in parts) == 30
    assert taken(Prompt) == before


@pytest.mark.django_db
def test_times_that_models_set_by_themselves_are_kept() -> None:
    make_run(params={"a": [1, 2.5, None, "x"]})
    Run.objects.update(created="2020-02-02T02:02:02.123456Z")
    before = taken(Run)
    ((data, _),) = rows.parts(Run)
    Run.objects.all().delete()
    rows.load(Run, rows.columns(Run), data)
    assert taken(Run) == before


def test_every_table_with_rows_is_kept_but_sessions_and_signs_of_workers() -> None:
    found = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if not model._meta.proxy}
    assert found - set(rows.kept(apps.get_models(include_auto_created=True))) == rows.LEFT_OUT
    assert ApiToken._meta.db_table in found


@pytest.mark.django_db
def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BackupError, match="core_run has no column nosuch"):
        rows.load(Run, ["id", "nosuch"], b"")


# --- making and refusing ---


@pytest.fixture
def place(settings: object, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"  # type: ignore[attr-defined]
    (tmp_path / "var").mkdir()
    return tmp_path


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_for_its_owner_alone_and_is_recorded(place: Path) -> None:
    make_prompts(3)
    made = making.backup(place / "b.tar")
    assert (place / "b.tar").stat().st_mode & 0o777 == 0o600
    event = AuditEvent.objects.get(verb="backup")
    assert event.facts == {"sha256": made.sha256, "rows": made.rows, "files": 0}
    with (place / "b.tar").open("rb") as file:
        assert verified(file, "b.tar")[0].tables["annotation_prompt"]["rows"] == 3


@pytest.mark.django_db(transaction=True)
def test_writers_need_not_wait_and_their_rows_are_not_in_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_prompts(3)
    walk: Callable[..., object] = rows.parts
    written = []

    def meanwhile(model: rows.Model) -> object:
        if not written:
            written.append(write_elsewhere())
        return walk(model)

    monkeypatch.setattr(rows, "parts", meanwhile)
    making.backup(place / "b.tar")
    with (place / "b.tar").open("rb") as file:
        assert verified(file, "b.tar")[0].tables["core_user"]["rows"] == 0
    assert written == [1]


def write_elsewhere() -> int:
    """Add a user from another thread, so by another connection; gives how many there are then."""
    from concurrent.futures import ThreadPoolExecutor

    def work() -> int:
        try:
            make_user("somebody else")
            return 1
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(20)


@pytest.mark.django_db(transaction=True)
def test_an_existing_file_is_not_overwritten(place: Path) -> None:
    (place / "b.tar").write_text("mine", encoding="utf-8")
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(place / "b.tar"))
    assert (place / "b.tar").read_text(encoding="utf-8") == "mine"


@pytest.mark.django_db(transaction=True)
def test_a_full_database_is_not_restored_into(place: Path) -> None:
    make_prompts(1)
    making.backup(place / "b.tar")
    with pytest.raises(CommandError, match="The database is not empty: .* has rows.* Nothing was restored"):
        call_command("restore", str(place / "b.tar"))


def test_a_missing_file_is_told(place: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("restore", str(place / "none.tar"))


@pytest.mark.django_db
def test_a_backup_of_a_newer_version_is_refused() -> None:
    newer = manifest()
    newer.migrations = {"core": ["9999_of_tomorrow"]}
    with pytest.raises(BackupError, match=r"core\.9999_of_tomorrow is not known here"):
        restoring._refuse_newer(newer)


@pytest.mark.django_db
def test_what_migrations_make_counts_as_empty() -> None:
    restoring._refuse_rows()


@pytest.mark.django_db
def test_files_that_stand_there_are_taken_only_where_they_are_the_same(place: Path) -> None:
    found, _ = verified(io.BytesIO(archive(one=b"first", two=b"second")), "b")
    (place / "var" / "sets").mkdir()
    (place / "var" / "sets" / "one").write_bytes(b"first")
    assert restoring._missing_files(found) == {"sets/two"}
    (place / "var" / "sets" / "one").write_bytes(b"other")
    with pytest.raises(BackupError, match="sets/one is another file"):
        restoring._missing_files(found)
