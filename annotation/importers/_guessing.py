"""A guess at what the columns of a file hold, from the names and values of its first rows alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.importers._columns import ColumnMap, columns_of, opened
from annotation.importers._tables import head_cells, is_table, table
from madsafe_web.core.textio import GROUP, BadFile, BadRecord, Record, Source, data_members, read_any, read_json_items

HEAD_ROWS = 20
MOST_COLUMNS = 60
_DEPTH, _ITEMS = 4, 4  # how far into nested values columns are looked for
_NAME = re.compile(r"[^\W\d][\w.-]{0,39}")
_CONTAINERS = ("data", "rows", "items", "examples", "instances", "records", "questions", "prompts", "train", "test")
_PROMPT = (
    *("prompt", "instruction", "question", "query", "input", "text", "sentence", "request", "goal", "user"),
    *("问题", "提示", "提示词", "指令", "提问", "输入", "文本", "题目"),
)
_REPLIES = {
    **dict.fromkeys(("response", "output", "answer", "completion", "reply", "回答", "回复", "答案", "输出"), "reply"),
    **dict.fromkeys(("chosen", "positive", "pos_resp", "safe_response", "安全回答"), "positive"),
    **dict.fromkeys(("rejected", "negative", "neg_resp", "unsafe_response", "违规回答"), "negative"),
}
_SCENARIO = (
    "scenario",
    "category",
    "risk_type",
    "topic",
    "subject",
    "type",
    "场景",
    "类别",
    "分类",
    "类型",
    "风险类型",
)
_ATTACK = ("attack_type", "attack", "attack_method", "攻击类型", "攻击方式")
_SOURCE = ("id", "source_id", "uid", "traceid", "序号", "编号")
_OPTIONS = ("options", "choices", "选项")
_ANSWER = ("answer", "correct_answer", "label", "答案", "正确答案")
_ADVICE = "Check that it is the right one"
_BOXES = ("value", "content")
_TURN = re.compile(r"(.+\.)?(\d)\.(content|value)")
_ASKED, _SAID = ("user", "human"), ("assistant", "gpt", "bot", "model")


@dataclass(slots=True)
class Column:
    """A column found in the first rows, by its path, with what those rows hold there."""

    path: str
    values: list[Any] = field(default_factory=list)

    @property
    def leaf(self) -> str:
        """The name that tells what it holds: of `chosen.value` that is `chosen`."""
        parts = self.path.strip().casefold().split(".")
        return parts[-2] if len(parts) > 1 and parts[-1] in _BOXES and not parts[-2].isdecimal() else parts[-1]

    def is_text(self) -> bool:
        return any(isinstance(value, str) and value.strip() for value in self.values)


def guess(path: Path) -> dict[str, Any]:
    """A mapping that fits the first 20 rows; {} where none looks like prompts. Raises BadFile as readers do."""
    layout = layout_of(path)
    if layout.get("lines"):
        return {**layout, "prompt": "1"}
    return _mapping(columns_in(path, layout), layout)


def guess_rows(records: Iterable[Record | BadRecord]) -> dict[str, Any]:
    """A mapping that fits the first 20 of these rows, which lie plainly; {} where none looks like prompts."""
    return _mapping(_columns(_head(records)), {})


def _mapping(columns: list[Column], layout: dict[str, Any]) -> dict[str, Any]:
    prompt = _prompt(columns)
    if not prompt:
        return {}
    found = {**layout, "prompt": prompt, **_others(columns, prompt)}
    named = {found.get(name) for name in ("prompt", "scenario", "attack_type", "source_id", "answer")}
    named |= {*found.get("options", ()), *(one["path"] for one in found.get("responses", ())), GROUP}
    return {**found, "keep": True} if any(column.path not in named for column in columns) else found


def layout_of(path: Path) -> dict[str, Any]:
    """How the rows lie in the file: `records`, `header` or `lines` of a mapping, as far as they are needed."""
    source = _first(path)
    return _csv_layout(source) if is_table(source) else _json_layout(source)


def columns_in(path: Path, layout: dict[str, Any]) -> list[Column]:
    """The columns of the first 20 rows, those inside nested values too."""
    where = {name: value for name, value in layout.items() if name in ("records", "header", "lines")}
    return _columns(_head(table(_first(path), ColumnMap(prompt="1", **where))))


def _columns(head: list[Record]) -> list[Column]:
    found: dict[str, Column] = {}
    for record in head:
        for name, value in _flat(record.value):
            if name in found or len(found) < MOST_COLUMNS:
                found.setdefault(name, Column(name)).values.append(value)
    return list(found.values())


def _first(path: Path) -> Source:
    """The first data file of an archive or folder, or the file itself. Raises BadFile where there is none."""
    members, refused = data_members(path)
    if not members:
        raise BadFile(path, f"no file in it can be read: {refused[0].reason if refused else 'it is empty'}", _ADVICE)
    return members[0]


def _head(records: Iterable[Any]) -> list[Record]:
    return [record for record in islice(records, HEAD_ROWS) if isinstance(record, Record)]


def _flat(value: Any, before: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """(path, value) of a row, going into objects and lists of objects, JSON in a text opened."""
    inner = opened(value)
    if isinstance(inner, dict) and depth < _DEPTH and (inner or not before):
        pairs = [(str(name), item) for name, item in inner.items() if name]
    elif isinstance(inner, list) and depth < _DEPTH and any(isinstance(item, dict | list) for item in inner):
        pairs = [(str(place), item) for place, item in enumerate(inner[:_ITEMS])]
    else:
        return [(before, value)]
    return [one for name, item in pairs for one in _flat(item, f"{before}.{name}" if before else name, depth + 1)]


def _json_layout(source: Source) -> dict[str, Any]:
    head = _head(read_any(source))
    if len(head) == 1 and not head[0].group and isinstance(head[0].value, dict):
        only = columns_of(head[0].value)  # one document in one line looks like one row
        lists = [name for name, value in only.items() if isinstance(value, list) and value]
        if lists and not any(name.casefold() in _PROMPT for name, value in only.items() if isinstance(value, str)):
            head = _head(read_json_items(source))
    inside = [record.group for record in head if record.index is not None and record.group]
    if inside and (any(record.index is None for record in head) or inside[0].casefold() in _CONTAINERS):
        return {"records": inside[0]}
    alone = [record for record in head if record.index is None and record.group and isinstance(record.value, dict)]
    for record in alone if not inside else []:
        for name, value in record.value.items():
            if isinstance(value, list) and value and name.casefold() in _CONTAINERS:
                return {"records": f"{record.group}.{name}"}
    return {}


def _csv_layout(source: Source) -> dict[str, Any]:
    cells = head_cells(source, HEAD_ROWS)
    if not cells:
        return {}
    first = [cell.strip("\ufeff ") for cell in cells[0]]
    if _is_header(first):
        return {}
    # A cell may go on over several lines, so the last row of a full head may be cut off.
    whole = cells[:-1] if len(cells) == HEAD_ROWS else cells
    widths = {len(row) for row in whole}
    return {"lines": True} if len(widths) > 1 or len(first) == 1 else {"header": False}


def _is_header(cells: list[str]) -> bool:
    """True when line 1 names columns: one of the names is known, or all are short words and none a number."""
    known = {*_PROMPT, *_REPLIES, *_OPTIONS, *_ANSWER, *_SCENARIO}
    if any(cell.casefold() in known for cell in cells) and len(set(cells)) == len(cells):
        return True
    words = [cell for cell in cells if cell]
    return (
        len(words) > 1 and len(set(cells)) == len(cells) and all(re.fullmatch(r"[^\W\d][\w.-]{0,39}", w) for w in words)
    )


def _prompt(columns: list[Column]) -> str:
    texts = [column for column in columns if column.is_text() and column.path != GROUP]
    for name in _PROMPT:
        if found := next((column.path for column in texts if column.leaf == name), ""):
            return found
    turn = _turn(columns, _ASKED)
    return turn or (texts[0].path if len(columns) == 1 and texts else "")


def _turn(columns: list[Column], roles: tuple[str, ...], after: int = -1) -> str:
    """The first message of a conversation that somebody of these roles wrote."""
    by_path = {column.path: column for column in columns}
    for path in by_path:
        match = _TURN.fullmatch(path)
        if match and int(match[2]) > after:
            where = f"{match[1] or ''}{match[2]}"
            who = by_path.get(f"{where}.role") or by_path.get(f"{where}.from")
            if who and who.values and str(who.values[0]).casefold() in roles:
                return path
    return ""


def _others(columns: list[Column], prompt: str) -> dict[str, Any]:
    outer_last = sorted(columns, key=lambda column: -column.path.count("."))
    leaves = {column.leaf: column for column in outer_last if column.path != prompt}
    found: dict[str, Any] = {}
    options = _options(leaves, [column.path for column in columns])
    answer = next((leaves[name].path for name in _ANSWER if name in leaves), "")
    if options and answer:
        found |= {"options": options, "answer": answer}
    replies = [
        {"path": leaves[name].path, "kind": kind}
        for name, kind in _REPLIES.items()
        if name in leaves and leaves[name].path != found.get("answer") and _may_reply(leaves[name])
    ]
    turn = _TURN.fullmatch(prompt)
    if turn and not replies and (said := _turn(columns, _SAID, int(turn[2]))):
        replies = [{"path": said, "kind": "reply"}]
    found |= {"responses": replies} if replies else {}
    for key, names in (("scenario", _SCENARIO), ("attack_type", _ATTACK), ("source_id", _SOURCE)):
        if path := next((leaves[name].path for name in names if name in leaves), ""):
            found[key] = path
    if "scenario" not in found and any(column.path == GROUP for column in columns):
        found["scenario"] = GROUP
    return found


def _may_reply(column: Column) -> bool:
    return column.is_text() or any(isinstance(value, list) for value in column.values)


def _options(leaves: dict[str, Column], paths: list[str]) -> list[str]:
    """The column of the options, or those called A, B, C and so on."""
    if name := next((name for name in _OPTIONS if name in leaves), ""):
        return [leaves[name].path]
    letters = [letter for letter in "ABCDEF" if letter in paths]
    return letters if letters[:2] == ["A", "B"] else []
