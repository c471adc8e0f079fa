"""Which column of a file of no known format holds what: how it is written down, checked and looked up.

A mapping is JSON: `{"prompt": "data.question", "responses": [{"path": "data.answer", "kind": "reply"}], "scenario":
"topic", "header": true}`. A path is the name of a column, or names with dots between for what lies inside, a list by
its place from 0 ("messages.0.content"); JSON inside a text is opened on the way. Where columns have no names they have
numbers from 1. "@group" is the name that a JSON object gives to the array a row is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from madsafe_web.core.runs.errors import ConfigError

KINDS = ("reply", "positive", "negative")
SINGLE = ("prompt", "scenario", "attack_type", "source_id", "answer")  # keys that name one column
OTHERS = ("responses", "options", "records", "header", "lines", "keep")
MISSING = object()
_LONGEST = 200  # characters of a path
_MOST = 40  # columns that one key may name
_EXAMPLE = 'for example {"prompt": "question", "responses": [{"path": "answer", "kind": "reply"}]}'


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A checked mapping. Paths are "" where there is no such column.

    `records` is the path of the list in a JSON file, `header` says whether line 1 of a CSV file names the columns
    (None: yes), `lines` that each line of the file is one prompt, `keep` that the other columns go into the payload.
    """

    prompt: str
    responses: tuple[tuple[str, str], ...] = ()  # path, kind
    scenario: str = ""
    attack_type: str = ""
    source_id: str = ""
    options: tuple[str, ...] = ()  # one column that holds them all, or one each
    answer: str = ""
    records: str = ""
    header: bool | None = None
    lines: bool = False
    keep: bool = False

    def named(self) -> set[str]:
        """The outermost columns that the mapping uses."""
        singles = (getattr(self, name) for name in SINGLE)
        paths = {*singles, *self.options, *(path for path, _ in self.responses)}
        return {*paths, *(path.partition(".")[0] for path in paths)}


def column_map(values: Mapping[str, Any]) -> ColumnMap:
    """The mapping as checked values. Raises ConfigError in one sentence that names the key that is wrong."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"A mapping is a JSON object, {_EXAMPLE}.")
    if unknown := sorted(str(name) for name in set(values) - {*SINGLE, *OTHERS}):
        raise ConfigError(f"The mapping has no key '{unknown[0][:40]}'. It knows: {', '.join((*SINGLE, *OTHERS))}.")
    if values.get("lines"):
        values = {"prompt": "1", **values}
    singles = {name: _path(values[name], name) for name in SINGLE if values.get(name) not in (None, "")}
    if "prompt" not in singles:
        raise ConfigError(f"The mapping does not say which column is the prompt; {_EXAMPLE}.")
    return ColumnMap(
        **singles,
        responses=tuple(_response(one) for one in _several(values, "responses")),
        options=tuple(_path(one, "options") for one in _several(values, "options")),
        records=_path(values["records"], "records") if values.get("records") else "",
        header=_flag(values, "header"),
        lines=bool(_flag(values, "lines")),
        keep=bool(_flag(values, "keep")),
    )


def value_at(value: object, path: str) -> object:
    """What lies under a path, or MISSING. A name with dots in it goes before names inside each other."""
    if isinstance(value, dict) and path in value:
        return value[path]
    value = opened(value)
    if isinstance(value, dict):
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            head, rest = ".".join(parts[:length]), ".".join(parts[length:])
            if head in value:
                return value_at(value[head], rest) if rest else value[head]
        return MISSING
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if not head.isdecimal() or int(head) >= len(value):
            return MISSING
        return value_at(value[int(head)], rest) if rest else value[int(head)]
    return MISSING


def columns_of(value: object) -> dict[str, Any]:
    """A row by the names of its columns: numbers from 1 where the row is a list, column 1 where it stands alone."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(number): cell for number, cell in enumerate(value, 1)}
    return {"1": value}


def opened(value: object) -> object:
    """The value inside a text that is JSON, else the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _path(value: object, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(f"The mapping's '{key}' must be the name of a column, or its number from 1.")
    text = str(value).strip()
    if not text or len(text) > _LONGEST or (isinstance(value, int) and value < 1):
        raise ConfigError(f"The mapping's '{key}' must be the name of a column, or its number from 1.")
    return text


def _several(values: Mapping[str, Any], key: str) -> list[Any]:
    found = values.get(key) or []
    found = found if isinstance(found, list) else [found]
    if len(found) > _MOST:
        raise ConfigError(f"The mapping's '{key}' names more than {_MOST} columns.")
    return found


def _response(value: object) -> tuple[str, str]:
    if not isinstance(value, Mapping):
        return _path(value, "responses"), "reply"
    if unknown := sorted(str(name) for name in set(value) - {"path", "kind"}):
        raise ConfigError(f"The mapping's 'responses' has no key '{unknown[0][:40]}'. It knows: path, kind.")
    kind = value.get("kind", "reply")
    if kind not in KINDS:
        raise ConfigError(f"The mapping's 'responses' has a kind that is none of {', '.join(KINDS)}.")
    return _path(value.get("path"), "responses"), str(kind)


def _flag(values: Mapping[str, Any], key: str) -> bool | None:
    value = values.get(key)
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"The mapping's '{key}' must be true or false.")
    return value
