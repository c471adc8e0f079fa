"""Text without a mark: every usual encoding is told apart, and none is taken for another in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from madsafe_web.core.textio import BadFile, open_text

SIMPLIFIED = "今天我们来讨论一下网络安全的基本知识，以及如何保护个人隐私。\n"
TRADITIONAL = "今天我們來討論網路安全的基本知識，以及如何保護個人隱私。這是一個測試。\n"
JAPANESE = "今日はネットワークの安全について話しましょう。これはテストです。\n"
KOREAN = "오늘은 네트워크 보안에 대해 이야기합시다. 이것은 시험입니다.\n"
RUSSIAN = "Сегодня мы поговорим о безопасности сети. Это проверка.\n"
FRENCH = "Le café est très bon, l'été où nous étions à côté.\n"
SPANISH = "El niño comió una piña mañana por la mañana.\n"


def decoded(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "rows.txt"
    path.write_bytes(content)
    return "".join(open_text(path))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "gbk"),
        (TRADITIONAL, "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (FRENCH, "cp1252"),
        (SPANISH, "latin-1"),
        *((text, "utf-8") for text in (SIMPLIFIED, TRADITIONAL, JAPANESE, KOREAN, RUSSIAN, FRENCH, SPANISH)),
    ],
)
def test_text_without_a_mark_comes_out_as_it_was(tmp_path: Path, text: str, encoding: str) -> None:
    assert decoded(tmp_path, text.encode(encoding) * 5) == text * 5


@pytest.mark.parametrize("text", ["甲,乙\n", '{"prompt": "鑫森淼"}\n'])
def test_a_few_rare_characters_are_taken_for_chinese(tmp_path: Path, text: str) -> None:
    assert decoded(tmp_path, text.encode("gb18030")) == text


def test_a_text_after_much_plain_english_is_still_told(tmp_path: Path) -> None:
    text = "plain words\n" * 200_000 + SIMPLIFIED
    assert decoded(tmp_path, text.encode("gb18030")) == text


def test_bytes_of_no_encoding_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="Save it as UTF-8"):
        decoded(tmp_path, bytes(range(128, 256)) * 20 + b"\x00\x01\x02" * 200)
