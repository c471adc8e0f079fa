"""Reading and writing data files: streaming, with bounded memory, one bad row never ending the file."""

from madsafe_web.core.textio.decoding import open_text
from madsafe_web.core.textio.jsonitems import read_json_items
from madsafe_web.core.textio.readers import file_shape, read_csv, read_jsonl, read_rows
from madsafe_web.core.textio.records import MAX_ITEM, BadFile, BadRecord, OtherShape, Record
from madsafe_web.core.textio.sources import open_bytes
from madsafe_web.core.textio.writers import atomic_write, csv_line, sha256_file, write_jsonl

__all__ = [
    "MAX_ITEM",
    "BadFile",
    "BadRecord",
    "OtherShape",
    "Record",
    "atomic_write",
    "csv_line",
    "file_shape",
    "open_bytes",
    "open_text",
    "read_csv",
    "read_json_items",
    "read_jsonl",
    "read_rows",
    "sha256_file",
    "write_jsonl",
]
