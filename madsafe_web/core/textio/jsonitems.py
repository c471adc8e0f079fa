"""The items of one JSON document, however large, without holding it in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from madsafe_web.core.textio.decoding import open_text
from madsafe_web.core.textio.records import (
    MAX_ITEM,
    TOO_LARGE,
    TOO_LONG,
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    is_unicode,
    kept_raw,
    value_defect,
)
from madsafe_web.core.textio.sources import Source

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"[-+.0-9eE]*")
_STRUCTURE = re.compile(r'["\\\[\]{}]')
_NEAR_END = 16  # characters: a token cut at the end of the window (`tru`, `-`, `\u12`) fails this close to it
_ADVICE_CUT = "It was probably cut off while being copied: fetch it again"
_ADVICE_LINES = "If it holds one object a line, give it the ending .jsonl"
_ADVICE_JSON = "Check that the file is one JSON document (an array, or an object of arrays)"


def read_json_items(path: Source) -> Iterator[Record | BadRecord]:
    """Items of a JSON array, or of a JSON object whose values are arrays (group = the name) or single values.

    Streamed: memory is bounded by the largest item. An item that cannot be used is a BadRecord; where the document
    itself breaks (cut off, not JSON), one BadFile is raised after the items before it.
    """
    window = _Window(path)
    opening = window.peek()
    if opening == "[":
        yield from _array(window, "")
    elif opening == "{":
        yield from _object(window)
    else:
        window.refuse("it does not begin like a JSON array or object", _ADVICE_JSON)
    if window.peek():
        window.refuse("there is more text after the end of the JSON document", _ADVICE_LINES)


def _array(window: _Window, group: str) -> Iterator[Record | BadRecord]:
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    index = 0
    while True:
        yield window.item(group, index)
        index += 1
        if window.take(",]") == "]":
            return


def _object(window: _Window) -> Iterator[Record | BadRecord]:
    window.take("{")
    if window.peek() == "}":
        window.take("}")
        return
    while True:
        name = window.name()
        window.take(":")
        if window.peek() == "[":
            yield from _array(window, name)
        else:
            yield window.item(name, None)
        if window.take(",}") == "}":
            return


class _Unusable(Exception):
    """One item that is skipped; `raw` is its text where that could be kept."""

    def __init__(self, reason: str, raw: str = "") -> None:
        super().__init__(reason)
        self.raw = raw


class _Window:
    """The part of the text in memory: `text[at:]` is not read yet."""

    def __init__(self, path: Source) -> None:
        self.path = path
        self.text, self.at = "", 0
        self.ended = False
        self.number = 0  # items taken
        self._lines_before = 0
        self._chunks = open_text(path)
        self._constants: list[str] = []
        self._decode = json.JSONDecoder(parse_constant=self._constants.append).raw_decode

    def peek(self) -> str:
        """The next character that is not white space; "" at the end of the file."""
        if self.at < len(self.text) and self.text[self.at] not in " \t\r\n":
            return self.text[self.at]  # nearly always, and twice as fast
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches "" at least
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self, allowed: str) -> str:
        """The next character, which must be one of `allowed`."""
        found = self.peek()
        if not found:
            self.fail("the file ends too early", _ADVICE_CUT)
        if found not in allowed:
            self.fail(f"expected {' or '.join(allowed)}, found {found!a}", _ADVICE_JSON)
        self.at += 1
        return found

    def name(self) -> str:
        """The next name of an object."""
        if self.peek() not in ('"', ""):
            self.fail(f"expected a name in quotes, found {self.peek()!a}", _ADVICE_JSON)
        name, _ = self._value()
        if value_defect(name) != ("", ""):
            self.fail("a name contains characters that cannot be stored", _ADVICE_JSON)
        return str(name)

    def item(self, group: str, index: int | None) -> Record | BadRecord:
        """The next value as a row."""
        self.peek()
        self.number += 1
        try:
            value, text = self._value()
        except _Unusable as unusable:
            return BadRecord(self.number, "", str(unusable), kept_raw(unusable.raw), group, index)
        # Looking into every value would halve the speed, and only escapes and undecodable bytes can hide a defect.
        if "\\u" in text or not is_unicode(text):
            field, reason = value_defect(value)
            if reason:
                return BadRecord(self.number, field, reason, kept_raw(text), group, index)
        return Record(self.number, value, group, index)

    def fail(self, problem: str, advice: str, at: int | None = None) -> NoReturn:
        """Raise BadFile for this place."""
        raise BadFile(self.path, problem, advice, f"row {self.number:,} ({self._line(at)})")

    def refuse(self, problem: str, advice: str) -> NoReturn:
        """Raise OtherShape for the file."""
        raise OtherShape(self.path, problem, advice, self._line())

    def _line(self, at: int | None = None) -> str:
        line = self._lines_before + self.text.count("\n", 0, self.at if at is None else at) + 1
        return f"line {line:,}"

    def _value(self) -> tuple[object, str]:
        while True:
            self._constants.clear()
            try:
                value, end = self._decode(self.text, self.at)
            except json.JSONDecodeError as error:
                self._refuse_malformed(error)
            except RecursionError:
                raise _Unusable("is nested too deeply", self._skip()) from None
            except ValueError:  # Python's limit for integers, 4,300 digits
                raise _Unusable(TOO_LONG, self._skip()) from None
            else:
                if end < len(self.text) or self.ended:  # a number may go on in the next chunk
                    return value, self._taken(end)
            if len(self.text) - self.at > MAX_ITEM:
                self._skip()
                raise _Unusable(TOO_LARGE)
            self._more()

    def _taken(self, end: int) -> str:
        text, self.at = self.text[self.at : end], end
        if len(text) > MAX_ITEM:
            raise _Unusable(TOO_LARGE)
        if self._constants:
            raise _Unusable("contains NaN or Infinity, which JSON does not know", text)
        return text

    def _refuse_malformed(self, error: json.JSONDecodeError) -> None:
        cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _NEAR_END
        if not cut:
            self.fail(f"not valid JSON ({error.msg})", _ADVICE_JSON, error.pos)
        if self.ended:
            self.fail("the file ends in the middle of a row", _ADVICE_CUT)

    def _more(self) -> bool:
        self._lines_before += self.text.count("\n", 0, self.at)
        chunk = next(self._chunks, "")
        self.text, self.at = self.text[self.at :] + chunk, 0
        self.ended = not chunk
        return not self.ended

    def _skip(self) -> str:
        """Pass over one array, object, string or number, holding one chunk at a time; gives it, "" when too large."""
        if self.text[self.at] in "-0123456789":
            return self._skip_number()
        if self.text[self.at] not in '"[{':
            self.fail("not valid JSON", _ADVICE_JSON)
        nesting = _Nesting()
        passed = _Passed()
        spill = 0
        while True:
            position = nesting.follow(self.text, self.at + spill)
            passed.add(self.text[self.at : position if nesting.closed else None])
            if nesting.closed:
                self.at = position
                return passed.text()
            spill = max(0, position - len(self.text))
            self.at = len(self.text)
            if not self._more():
                self.fail("the file ends in the middle of a row", _ADVICE_CUT)

    def _skip_number(self) -> str:
        passed = _Passed()
        while True:
            start = self.at
            self.at = _NUMBER.match(self.text, start).end()  # type: ignore[union-attr]  # matches "" at least
            passed.add(self.text[start : self.at])
            if self.at < len(self.text) or not self._more():
                return passed.text()


class _Passed:
    """The text of a skipped value, as long as it is no larger than a row may be."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > MAX_ITEM:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def text(self) -> str:
        """The whole, "" where it was too large."""
        return "" if self._size > MAX_ITEM else "".join(self._pieces)


class _Nesting:
    """Where a JSON value ends, by its brackets and quotes alone."""

    def __init__(self) -> None:
        self.closed = False
        self._depth, self._quoted = 0, False

    def follow(self, text: str, position: int) -> int:
        """Read on; gives the place after the value once `closed`, else where to go on, at most 1 past the end."""
        while not self.closed and (found := _STRUCTURE.search(text, position)):
            position, mark = found.end(), found.group()
            if mark == "\\":
                position += 1  # the character after it is text; past the end it is the next chunk's first
                continue
            if mark == '"':
                self._quoted = not self._quoted
            elif not self._quoted:
                self._depth += 1 if mark in "[{" else -1
            self.closed = self._depth <= 0 and not self._quoted
        return position
