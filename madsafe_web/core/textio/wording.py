"""What readers say of rows and files, for `madsafe_web.core.wording`. A test compares this list with the readers."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

# Of a row or a field, whose name may stand before it.
ROWS = (
    _("is larger than %(size)s MB"),
    _("contains a number with too many digits"),
    _("contains a NUL character"),
    _("contains bytes that are not text in the encoding of the file"),
    _("contains a number that is too large"),
    _("contains NaN or Infinity, which JSON does not know"),
    _("is nested too deeply"),
    _("is not valid JSON: %(error)s at character %(character)s"),
    _("is not valid CSV: %(error)s"),
    _("has %(cells)s cells, expected %(columns)s"),
    _("opens a quote that does not close"),
    _("seems to go on from a row whose quotes are broken"),
    _("may go on from a row before it whose quotes are broken"),
)
# Of a file: what is wrong with it.
FILES = (
    _("this is not a text file, or UTF-16 without a mark at its start"),
    _("its text cannot be decoded (%(error)s)"),
    _("its encoding is not known"),
    _("there is more text after the end of the JSON document"),
    _("it does not begin like a JSON array or object"),
    _("the file ends too early"),
    _("expected %(expected)s, found %(found)s"),
    _("expected a name in quotes, found %(character)s"),
    _("a name contains characters that cannot be stored"),
    _("not valid JSON (%(error)s)"),
    _("not valid JSON"),
    _("the file ends in the middle of a row"),
    _("there is no data file (JSONL, JSON, CSV, Parquet or text) in it"),
    _("there is an archive inside the archive"),
    _("its name is no text"),
    _("its ending is none of those of data"),
    _("the folder has more than %(most)s files"),
    _("the archive unpacks to more than %(most)s bytes"),
    _("it is a link or no plain file"),
    _("it is no Parquet file"),
    _("it unpacks to more than %(most)s"),
    _("it unpacks to more than %(most)s times its size, like an archive bomb"),
    _("the Parquet data is damaged"),
    _("there is no header with the names of the columns"),
    _("the header has the same name twice"),
    _("the header is not valid CSV: %(error)s"),
    _("it is one JSON document over many lines, not one a line"),
    _("it is a folder, expected a file"),
    _("the zip archive holds %(count)s data files (JSONL, JSON, CSV, Parquet or text), expected one"),
    _("the zip archive holds the unsafe file name %(name)s"),
    _("the zip archive holds a link, %(name)s"),
    _("the zip archive is encrypted"),
    _("the zip archive has more than %(most)s entries"),
    _("the zip archive holds %(count)s files of the one name %(name)s"),
    _("the zip archive has no table of contents"),
    _("the zip archive cannot be read (%(error)s)"),
    _("the compressed data is damaged or ends too early"),
    _("unexpected end"),
)
# What to do with such a file.
ADVICE = (
    _("Save it as UTF-8 and import it again"),
    _("It was probably cut off while being copied: fetch it again"),
    _("It was probably cut off or damaged while being copied: fetch it again"),
    _("If it holds one object a line, give it the ending .jsonl"),
    _("Check that the file is one JSON document (an array, or an object of arrays)"),
    _("Unpack it and import each data file by itself"),
    _("Unpack it yourself and import the data file"),
    _("Unpack it with its password and import the data file"),
    _("Import a part of it"),
    _("Import the data file in it"),
    _("Fetch the file again, or save it as JSONL"),
    _("Give it its right ending"),
    _("Split it into smaller files"),
    _("Add it as line 1"),
    _("Name each column once"),
    _("Name it .json"),
    _("Save it as CSV again"),
)
PLACES = (
    _("line %(line)s"),
    _("row %(row)s"),
    _("row %(row)s (line %(line)s)"),
    _("after %(count)s unpacked bytes"),
)
# How BadFile puts them together.
WHOLE = (_("%(file)s: %(problem)s. %(advice)s"), _("%(file)s, %(where)s: %(problem)s. %(advice)s"))
TEXTS = (*ROWS, *FILES, *ADVICE, *PLACES, *WHOLE)
