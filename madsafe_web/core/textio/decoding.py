"""From bytes to text: the encoding is found once a file, and bytes that are no text stay visible to the row check."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from madsafe_web.core.textio.encodings import ADVICE, encoding_of
from madsafe_web.core.textio.records import MAX_ITEM, BadFile, Named
from madsafe_web.core.textio.sources import Source, open_bytes

OVERSIZE = "\0oversize\0"  # stands for a line over MAX_ITEM; no real line can pass the NUL check
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that one's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_text(path: Source) -> Iterator[str]:
    """Chunks of the decoded text of a plain, gzip or zip file.

    UTF-8 with or without a mark, UTF-16 and UTF-32 by their marks, GB18030 where it gives Chinese, Western
    letters, else the best guess of charset-normalizer. Bytes that do not fit become lone surrogates, so that only their
    row is refused. Raises BadFile when no encoding fits.
    """
    decoder: codecs.IncrementalDecoder | None = None
    for number, chunk in enumerate(open_bytes(path)):
        if decoder is None:
            encoding = _marked(chunk) if number == 0 else ""
            if not encoding and chunk.isascii() and b"\0" not in chunk:
                yield chunk.decode("ascii")  # says nothing yet about the rest of the file
                continue
            decoder = _decoder(path, chunk, encoding)
        if text := _decode(path, decoder, chunk):
            yield text
    if decoder is not None and (rest := _decode(path, decoder, b"", final=True)):
        yield rest


def text_lines(chunks: Iterable[str]) -> Iterator[str]:
    r"""Lines split at \n alone (U+2028 may stand inside JSON), without it; a line over MAX_ITEM comes as OVERSIZE."""
    pieces: list[str] = []
    size = 0
    for chunk in chunks:
        head, *others = chunk.split("\n")
        size += len(head)
        if size <= MAX_ITEM:
            pieces.append(head)
        else:
            pieces.clear()
        if not others:
            continue
        yield "".join(pieces) if size <= MAX_ITEM else OVERSIZE
        yield from others[:-1]
        pieces, size = [others[-1]], len(others[-1])
    if size:
        yield "".join(pieces) if size <= MAX_ITEM else OVERSIZE


def _decoder(path: Named, chunk: bytes, encoding: str) -> codecs.IncrementalDecoder:
    if not encoding and chunk.count(0) * 5 > len(chunk):
        raise BadFile(path, "this is not a text file, or UTF-16 without a mark at its start", ADVICE)
    encoding = encoding or encoding_of(path, chunk)
    errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return codecs.getincrementaldecoder(encoding)(errors)


def _decode(path: Named, decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeError as error:
        raise BadFile(path, f"its text cannot be decoded ({error.args[0]})", ADVICE) from error


def _marked(chunk: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if chunk.startswith(mark)), "")
