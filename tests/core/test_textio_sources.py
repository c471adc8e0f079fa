"""Bytes and text of data files: encodings and archives."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.textio import BadFile, BadRecord, Record, open_bytes, open_text, read_csv, read_jsonl, sources

LINES = '{"prompt": "安全问题一"}\n{"prompt": "安全问题二"}\n'


def file(tmp_path: Path, content: bytes | str, name: str = "rows.json") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(tmp_path: Path, members: dict[str, bytes], **options: Any) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file(tmp_path, buffer.getvalue(), "rows.zip")


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
def test_chinese_text_is_read_in_every_usual_encoding(tmp_path: Path, encoding: str) -> None:
    assert "".join(open_text(file(tmp_path, LINES.encode(encoding)))) == LINES


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf16_is_read_in_both_byte_orders(tmp_path: Path, mark: bytes) -> None:
    body = LINES.encode("utf-16-le" if mark == b"\xff\xfe" else "utf-16-be")
    assert "".join(open_text(file(tmp_path, mark + body))) == LINES


def test_chinese_after_a_megabyte_of_ascii_is_still_recognised(tmp_path: Path) -> None:
    text = "a" * (1 << 20) + "\n" + "问题" * 100
    assert "".join(open_text(file(tmp_path, text.encode("gb18030")))) == text


def test_a_character_cut_by_the_chunk_border_stays_whole(tmp_path: Path) -> None:
    text = "a" + "问" * 700_000
    assert "".join(open_text(file(tmp_path, text))) == text


def test_broken_bytes_reject_their_row_alone(tmp_path: Path) -> None:
    content = LINES.encode() + b'{"prompt": "\xff\xfe"}\n' + LINES.encode()
    rows = list(read_jsonl(file(tmp_path, content)))
    assert [row.number for row in rows if isinstance(row, BadRecord)] == [3]
    assert "not text in the encoding" in str(rows[2])


def test_a_broken_row_in_gb18030_is_rejected_alone(tmp_path: Path) -> None:
    text = "ID,text\n" + "1,安全问题\n" * 5
    content = text.encode("gb18030") + b"2,\xff\xff\n" + "3,好\n".encode("gb18030")
    rows = list(read_csv(file(tmp_path, content)))
    assert [isinstance(row, BadRecord) for row in rows] == [False] * 5 + [True, False]
    assert rows[0] == Record(1, {"ID": "1", "text": "安全问题"})


def test_utf16_without_a_mark_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="UTF-16 without a mark.*Save it as UTF-8"):
        list(open_text(file(tmp_path, LINES.encode("utf-16-le"))))


def test_half_a_utf16_character_at_the_end_is_a_bad_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be decoded"):
        list(open_text(file(tmp_path, LINES.encode("utf-16")[:-1])))


# Archives


def test_gzip_is_recognised_by_its_content(tmp_path: Path) -> None:
    assert len(list(read_jsonl(file(tmp_path, gzip.compress(LINES.encode()), "no-ending")))) == 2


def test_a_zip_is_read_past_the_junk_of_macos(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"data/": b"", "data/a.jsonl": LINES.encode(), "__MACOSX/data/._a.jsonl": b"\0\5junk"})
    assert len(list(read_jsonl(path))) == 2


def test_a_readme_beside_the_data_does_not_matter(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"README.md": b"words", "a.jsonl": LINES.encode()})
    assert len(list(read_jsonl(path))) == 2


def test_two_data_files_in_a_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="holds 2 data files.*import each data file by itself"):
        list(open_bytes(zipped(tmp_path, {"a.jsonl": b"{}", "b.jsonl": b"{}"})))


@pytest.mark.parametrize("name", ["../a.jsonl", "/a.jsonl", "x/../../a.jsonl", "C:/a.jsonl"])
def test_unsafe_names_in_a_zip_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile, match="unsafe file name"):
        list(open_bytes(zipped(tmp_path, {name: b"{}"})))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "target")
    with pytest.raises(BadFile, match="holds a link"):
        list(open_bytes(file(tmp_path, buffer.getvalue())))


@pytest.mark.parametrize("inner", [gzip.compress(b"{}", mtime=0), b"PK\x03\x04rest"])
def test_an_archive_inside_an_archive_is_refused(tmp_path: Path, inner: bytes) -> None:
    with pytest.raises(BadFile, match="archive inside"):
        list(open_bytes(zipped(tmp_path, {"a.jsonl": inner})))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="100 times its size"):
        next(open_bytes(zipped(tmp_path, {"a.jsonl": bytes(8 << 20)})))


def test_a_gzip_bomb_is_refused_on_the_way(tmp_path: Path) -> None:
    given: list[int] = []
    with pytest.raises(BadFile, match="100 times its size"):
        given.extend(map(len, open_bytes(file(tmp_path, gzip.compress(bytes(50 << 20))))))
    assert sum(given) < 10 << 20


def test_more_unpacked_bytes_than_the_cap_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_TOTAL", 1 << 20)
    body = "".join(f"{n}\n" for n in range(300_000)).encode()
    with pytest.raises(BadFile, match="unpacks to more than"):
        list(open_bytes(file(tmp_path, gzip.compress(body))))


def test_more_than_a_thousand_entries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="more than 1,000 entries"):
        list(open_bytes(zipped(tmp_path, {f"{n}.txt": b"" for n in range(1001)})))


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_gzip_file_cut_short_says_so(tmp_path: Path, cut: float) -> None:
    body = gzip.compress(b"".join(hashlib.sha256(bytes([n])).hexdigest().encode() for n in range(200)))
    with pytest.raises(BadFile, match="ends too early.*fetch it again"):
        list(open_bytes(file(tmp_path, body[: int(len(body) * cut)])))


def test_a_zip_cut_short_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"a.jsonl": LINES.encode()})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadFile, match="fetch it again"):
        list(open_bytes(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_data_in_a_zip_says_so_whatever_packed_it(tmp_path: Path, method: int) -> None:
    body = b"".join(hashlib.sha256(bytes([n])).hexdigest().encode() for n in range(200))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.jsonl", body)
    path = file(tmp_path, buffer.getvalue())
    for at in range(40, 140, 4):
        content = bytearray(buffer.getvalue())
        content[at : at + 20] = bytes(20)
        path.write_bytes(content)
        with pytest.raises(BadFile, match="fetch it again"):
            list(open_bytes(path))


def test_an_error_of_the_disk_is_not_taken_for_damaged_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(gzip.GzipFile, "read", broken)
    with pytest.raises(OSError, match="Input/output error"):
        list(open_bytes(file(tmp_path, gzip.compress(b"{}"))))
