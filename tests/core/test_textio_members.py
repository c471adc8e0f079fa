"""Folders and archives of several data files."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import pytest

from madsafe_web.core.textio import (
    BadFile,
    Member,
    Refused,
    data_members,
    open_bytes,
    passed_over,
    sha256_file,
    sources,
)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def filled(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


FILES = {
    "README.md": b"words",
    "dev/a.csv": b"x\n1\n",
    "test/b.jsonl": b'{"x": 2}\n',
    "__MACOSX/dev/._a.csv": b"\0",
    ".git/c.json": b"{}",
    "test/._b.jsonl": b"\0",
}


def content(member: object) -> bytes:
    assert isinstance(member, Member)
    return b"".join(open_bytes(member))


def encrypted(path: Path, name: str) -> None:
    """Set the mark of encryption in the archive's table for one entry."""
    raw = bytearray(path.read_bytes())
    at = raw.rindex(name.encode()) - 46
    struct.pack_into("<H", raw, at + 8, 1)
    path.write_bytes(raw)


def test_data_files_of_a_folder_come_in_order_and_junk_is_passed_over(tmp_path: Path) -> None:
    members, refused = data_members(filled(tmp_path / "set", FILES))
    assert [(one.name, content(one)) for one in members] == [
        ("dev/a.csv", b"x\n1\n"),
        ("test/b.jsonl", b'{"x": 2}\n'),
    ]
    assert refused == []


def test_data_files_of_a_zip_come_in_order_and_junk_is_passed_over(tmp_path: Path) -> None:
    members, refused = data_members(zipped(tmp_path / "set.zip", FILES))
    assert [one.name for one in members] == ["dev/a.csv", "test/b.jsonl"]
    assert content(members[1]) == b'{"x": 2}\n'
    assert refused == []


def test_a_plain_file_and_an_archive_of_one_stand_for_themselves(tmp_path: Path) -> None:
    plain = filled(tmp_path, {"a.txt": b"x"}) / "a.txt"
    one = zipped(tmp_path / "one.zip", {"data/": b"", "data/a.jsonl": b"{}", "README.md": b"words"})
    assert data_members(plain) == ([plain], [])
    assert data_members(one) == ([one], [])


def test_packed_files_in_a_folder_are_opened(tmp_path: Path) -> None:
    root = filled(tmp_path / "set", {"a.jsonl.gz": gzip.compress(b"{}")})
    zipped(root / "b.zip", {"x/1.csv": b"1", "x/2.csv": b"2"})
    members, refused = data_members(root)
    assert [(one.name, content(one)) for one in members] == [
        ("a.jsonl.gz", b"{}"),
        ("b.zip/x/1.csv", b"1"),
        ("b.zip/x/2.csv", b"2"),
    ]
    assert refused == []


def test_bad_members_of_a_zip_are_named_and_the_rest_stays(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "set.zip",
        {
            "good.csv": b"1",
            "../up.csv": b"2",
            "bomb.csv": bytes(4 << 20),
            "inner.zip": b"PK\x03\x04",
            "inner.jsonl.gz": b"\x1f\x8b",
            "locked.csv": b"3",
        },
    )
    encrypted(path, "locked.csv")
    members, refused = data_members(path)
    assert [one.name for one in members] == ["good.csv"]
    assert {one.name: one.reason.split(",")[0] for one in refused} == {
        "../up.csv": "the zip archive holds the unsafe file name '../up.csv'",
        "bomb.csv": "it unpacks to more than 100 times its size",
        "inner.zip": "there is an archive inside the archive",
        "inner.jsonl.gz": "there is an archive inside the archive",
        "locked.csv": "the zip archive is encrypted",
    }


def test_an_archive_under_the_name_of_data_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", {"a.csv": gzip.compress(b"1", mtime=0), "b.csv": b"2"})
    members, _ = data_members(path)
    with pytest.raises(BadFile, match=r"a.csv: there is an archive inside"):
        content(members[0])


def test_members_may_not_unpack_to_more_than_the_cap_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "set.zip", {f"{n}.csv": str(n).encode() * 60 for n in range(3)})
    monkeypatch.setattr(sources, "MAX_TOTAL", 150)
    members, refused = data_members(path)
    assert [one.name for one in members] == ["0.csv", "1.csv"]
    assert refused == [Refused("2.csv", "the archive unpacks to more than 150 bytes")]


def test_a_zip_that_lies_about_a_size_gives_no_more_than_it_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", {"a.csv": b"1" * 1000, "b.csv": b"2"})
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 10)  # the unpacked size in the table
    path.write_bytes(raw)
    with pytest.raises(BadFile, match="cannot be read"):
        content(data_members(path)[0][0])


def test_links_in_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    root = filled(tmp_path / "set", {"a.csv": b"1"})
    (tmp_path / "secret.csv").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/c.csv").write_text("secret")
    (root / "b.csv").symlink_to(tmp_path / "secret.csv")
    (root / "more").symlink_to(tmp_path / "outside")
    members, refused = data_members(root)
    assert [one.name for one in members] == ["a.csv"]
    assert refused == [Refused("b.csv", "it is a link or no plain file")]


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ENTRIES", 2)
    with pytest.raises(BadFile, match="more than 2 files"):
        data_members(filled(tmp_path / "set", {f"{n}.csv": b"1" for n in range(3)}))


@pytest.mark.parametrize("files", [{}, {"README.md": b"words", "LICENSE": b"words"}])
def test_a_folder_without_data_says_so(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(BadFile, match="no data file"):
        data_members(filled(tmp_path / "set", files))


def test_a_zip_whose_only_file_is_bad_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="unsafe file name"):
        data_members(zipped(tmp_path / "set.zip", {"../a.csv": b"1"}))


def test_a_folder_where_a_file_is_expected_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="is a folder"):
        list(open_bytes(tmp_path))


def test_the_hash_of_a_folder_changes_with_names_and_contents(tmp_path: Path) -> None:
    first = sha256_file(filled(tmp_path / "1", {"a": b"1", "b/c": b"2"}))
    assert first == sha256_file(filled(tmp_path / "2", {"b/c": b"2", "a": b"1"}))
    assert first != sha256_file(filled(tmp_path / "3", {"a": b"1", "b/d": b"2"}))
    assert first != sha256_file(filled(tmp_path / "4", {"a": b"1", "b/c": b"3"}))


def test_a_member_holds_no_bytes_of_another(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    path = filled(tmp_path, {"set.zip": buffer.getvalue()}) / "set.zip"
    assert [content(one) for one in data_members(path)[0]] == [b"1", b"2"]


def test_a_file_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    root = filled(tmp_path / "set", {"a.csv": b"1"})
    with open(bytes(root) + b"/\xff.csv", "wb") as out:
        out.write(b"2")
    members, refused = data_members(root)
    assert [one.name for one in members] == ["a.csv"]
    assert refused == [Refused("\ufffd.csv", "its name is no text")]


def test_plain_text_is_data_where_nothing_else_is(tmp_path: Path) -> None:
    texts = {"b.txt": b"second", "a.txt": b"first", "README.md": b"words", "LICENSE.txt": b"words"}
    members, refused = data_members(zipped(tmp_path / "rows.zip", texts))
    assert ([one.name for one in members], refused) == (["b.txt", "a.txt"], [])
    members, _ = data_members(zipped(tmp_path / "more.zip", {**texts, "c.jsonl": b"{}", "d.jsonl": b"{}"}))
    assert [one.name for one in members] == ["c.jsonl", "d.jsonl"]


def test_an_archive_with_one_name_twice_is_refused_by_that_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "rows.zip", {"a.jsonl": b'{"x": 1}'})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.jsonl", b'{"x": 2}')
    for read in (data_members, lambda source: list(open_bytes(source))):
        with pytest.raises(BadFile, match=r"holds 2 files of the one name 'a\.jsonl'"):
            read(path)


OTHERS = {"a.jsonl": b"{}", "notes.txt": b"words", "LICENSE.txt": b"words", "scan.pdf": b"%PDF", ".hidden.txt": b""}


def test_files_of_another_kind_are_passed_over_by_name(tmp_path: Path) -> None:
    expected = ["notes.txt", "scan.pdf"]
    assert [one.name for one in passed_over(filled(tmp_path / "set", OTHERS))] == expected
    path = zipped(tmp_path / "set.zip", OTHERS)
    assert [one.name for one in passed_over(path)] == expected
    (tmp_path / "outer").mkdir()
    path.rename(tmp_path / "outer/b.zip")
    assert [one.name for one in passed_over(tmp_path / "outer")] == [f"b.zip/{name}" for name in expected]


@pytest.mark.parametrize("files", [{"notes.txt": b"words"}, {"a.csv": b"1", "b.jsonl": b"{}", "README.md": b"words"}])
def test_what_is_read_or_about_the_data_is_not_passed_over(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert passed_over(filled(tmp_path / "set", files)) == passed_over(zipped(tmp_path / "set.zip", files)) == []
    assert passed_over(filled(tmp_path / "plain", {"notes.txt": b"words"}) / "notes.txt") == []
