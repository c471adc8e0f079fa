"""Reading and writing data files: streaming, with bounded memory, one bad row never ending the file."""

from madsafe_web.core.textio.csvrows import read_csv
from madsafe_web.core.textio.decoding import open_text
from madsafe_web.core.textio.jsonitems import read_json_items
from madsafe_web.core.textio.members import Refused, data_members, passed_over
from madsafe_web.core.textio.parquet import is_parquet, read_parquet
from madsafe_web.core.textio.readers import file_layout, file_shape, read_any, read_jsonl, read_rows
from madsafe_web.core.textio.records import (
    GROUP,
    INDEX,
    MAX_ITEM,
    BadFile,
    BadRecord,
    Named,
    OtherShape,
    Record,
    kept_raw,
    kept_value,
)
from madsafe_web.core.textio.sources import CORRECTED, Member, Source, beginnings_kept, is_corrected, open_bytes
from madsafe_web.core.textio.writers import atomic_write, csv_line, csv_plain, sha256_file, write_jsonl

__all__ = [
    "CORRECTED",
    "GROUP",
    "INDEX",
    "MAX_ITEM",
    "BadFile",
    "BadRecord",
    "Member",
    "Named",
    "OtherShape",
    "Record",
    "Refused",
    "Source",
    "atomic_write",
    "beginnings_kept",
    "csv_line",
    "csv_plain",
    "data_members",
    "file_layout",
    "file_shape",
    "is_corrected",
    "is_parquet",
    "kept_raw",
    "kept_value",
    "open_bytes",
    "open_text",
    "passed_over",
    "read_any",
    "read_csv",
    "read_json_items",
    "read_jsonl",
    "read_parquet",
    "read_rows",
    "sha256_file",
    "write_jsonl",
]
