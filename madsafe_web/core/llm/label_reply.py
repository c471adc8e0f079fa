"""Read the labels in what a model answers.

Understands JSON, fenced blocks, thoughts before the answer, Markdown tables and lists, numbering, quotes, separators,
and sentences around. What cannot be told from an explanation gives nothing, never a guess. A slash separates labels and
a gloss in parentheses is left out, so a label that holds one of them ("18+/NSFW") does not come through whole, but in a
list of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from madsafe_web.core.llm.label_json import json_labels
from madsafe_web.core.llm.label_words import LABEL_WORDS, QUOTES, is_nothing, is_refusal
from madsafe_web.core.llm.parse import label_key

MAX_LABELS = 8
MAX_LABEL_CHARS = 40
MOST_READ = 20_000  # characters, from the end: an answer stands behind the thoughts

_THOUGHT, _ANSWER = "think|thinking|thoughts?|reasoning|analysis|scratchpad", "answer|output|result|response|final"
THOUGHT, END_OF_THOUGHT = (re.compile(rf"<{end}(?:{_THOUGHT})>", re.IGNORECASE) for end in ("", "/"))
ANSWER, END_OF_ANSWER = (re.compile(rf"<{end}(?:{_ANSWER})>", re.IGNORECASE) for end in ("", "/"))
TAG = re.compile(r"</?(?:answer|output|result|response|final|labels?|tags?|themes?)>", re.IGNORECASE)
FENCED = re.compile(r"```(?:[\w+-]*[ \t]*\n)?(.*?)```", re.DOTALL)
FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)

# What may stand before a colon that introduces labels.
LEAD = re.compile(
    rf"^[^:：]{{0,80}}?(?:{LABEL_WORDS}|\b(?:answer|output|result|primary|secondary|main|following|here|json)\b"
    r"|答案|答|回答|输出|结果|主要|次要|首要|如下|以下|可能|包括)[^:：]{0,24}[:：]",
    re.IGNORECASE,
)
PREFIXED = re.compile(rf"^[^\w\n]*(?:{LABEL_WORDS})\W{{0,4}}[:：]\W{{0,4}}\w", re.IGNORECASE | re.MULTILINE)
# Up to here a sentence introduces the labels. "意图犯罪行为" is a label itself.
INTRODUCTION = re.compile(
    r"^.*?(?:标签|主题|意图|类别)(?:应该|可以|分别|主要|可能)?(?:是|为|包括)\s*"
    r"|^.*?\b(?:labels?|themes?|tags?|intents?)\b[^,，、:：]{0,40}?\b(?:is|are|include)\b\s*"
    r"|^.{0,6}?(?:提示词|提示|文本|问题|句子|内容)(?:主要|可能|明显)?(?:涉及|属于|触及)(?:到|了)?\s*",
    re.IGNORECASE,
)
AFTERWORD = re.compile(
    r"^[\s#]*\**(?:说明|解释|理由|原因|分析|备注|注|explanations?|reason(?:s|ing)?|rationale|notes?)\**\s*[：:]",
    re.IGNORECASE,
)
ITEM = re.compile(
    r"^\s*(?:[(（]\s*(?:\d{1,2}|[一二三四五六七八九十])\s*[)）]|\d{1,2}\s*[.．)）、:：](?!\d)|[一二三四五六七八九十]、"
    r"|[①-⑳❶-❿]|[•●▪◦‣・○■◆►▶✓✔]|[-*+–—·](?=\s|[^\W\d_]))\s*"
)
INLINE_ITEM = re.compile(
    r"(?<=\S)\s*(?=[①-⑳])|(?<=\S)\s*(?=[(（]\d{1,2}[)）])|(?<=\S)[\s,，;；、。]+(?=\d{1,2}\s*[.．)）、](?!\d)\s*\D)"
)
HEADING = re.compile(r"^\s*#{1,6}\s+")
HASHTAGS = re.compile(r"^\s*#[^\s#]+#?(?:\s*#[^\s#]+#?)+\s*$")
QUOTED = re.compile(
    r"“([^”]+)”|‘([^’]+)’|\"([^\"]+)\"|「([^」]+)」|『([^』]+)』|《([^》]+)》|【([^】]+)】|`([^`]+)`|«([^»]+)»"
)
JOINERS = re.compile(r"(?:\s|[、，,;；|｜/／.。+&]|\d{1,2}[.、]|and|or|和|与|及|以及|或)*", re.IGNORECASE)
GLOSS = re.compile(r"(?<=[^\s(（])\s*[(（][^()（）\n]{0,80}[)）]")
DEFINITION = re.compile(r"\s*[:：]\s*|\s+[-–—]+\s+|——")
SEPARATORS = re.compile(r"[、，,;；|｜/／\n]+")
SENTENCE = re.compile(r"[。！？!?]|\.\s|(?:\S+\s+){6}\S")
REMARK = re.compile(
    r"^(?:(?:the|this) (?:prompt|text|user|question|request|content|labels?|above)"
    r"|(?:it|i|we|they|there|here|please|let|if|because|since|based|these)\s)|^(?:以上|上述|该提示|这个提示|此提示|这段|根据|因为|由于|如果)",
    re.IGNORECASE,
)
END = re.compile(r"[。！!.]\s*$")

TABLE_RULE = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+(?:\s*:?-{2,}:?\s*)?$|^\s*\|\s*:?-+:?\s*\|?\s*$")
NUMBERED = re.compile(r"^(?:#|no\.?|nr\.?|id|index|序号|编号|)$", re.IGNORECASE)
LABEL_HEAD = re.compile(rf"^(?:.{{0,12}}(?:{LABEL_WORDS}))$", re.IGNORECASE)
# "Safety labels" stands above labels; "criminal intent" is one.
TITLE = re.compile(
    r"^(?:(?:the|my|your|its|all|other|primary|secondary|main|following|safety|security|risk|relevant|possible"
    r"|suggested|labels?|tags?|themes?|topics?|intents?|categor(?:y|ies)|以下|主要|次要|首要|安全|风险|相关|可能|建议|所有|全部"
    rf"|提示词?|标签|主题|意图|类别|分类)[\s的]*)*(?:{LABEL_WORDS})$",
    re.IGNORECASE,
)


def labels(text: str) -> tuple[str, ...]:
    """The labels in a model's reply, in its order, without repeats; at most 8, each of 1 to 40 characters.

    () for a refusal or when nothing usable is there.
    """
    text = _answer(text)
    if is_nothing(text.strip(QUOTES)) or is_refusal(text.lstrip(QUOTES)):
        return ()
    found = json_labels(text)
    if found is None:
        found = _table(text.splitlines())
    if found is None:
        found = _pieces(text)
    kept: dict[str, str] = {}
    for piece in found:
        if label := _label(piece):
            kept.setdefault(label_key(label), label)
    return tuple(kept.values())[:MAX_LABELS]


def _answer(text: str) -> str:
    """The part that answers: beside the thoughts, inside the tag or the last fence around it."""
    text = TAG.sub("\n", _inside(_without_thoughts(text[-MOST_READ:])))
    fenced = [inner for inner in FENCED.findall(text) if inner.strip()]
    outside = FENCED.sub("\n", text)
    if fenced:
        text = outside if PREFIXED.search(outside) else fenced[-1]
    return FENCE.sub("", text).strip()


def _without_thoughts(text: str) -> str:
    """What stands behind the last thoughts, else before the first ones; thoughts that never end have nothing behind."""
    ends, begin = list(END_OF_THOUGHT.finditer(text)), THOUGHT.search(text)
    behind = text[ends[-1].end() :] if ends else ""
    if behind.strip() or not (ends or begin):
        return behind or text
    return text[: begin.start()] if begin else ""


def _inside(text: str) -> str:
    """What stands in the last tag for answers; without one the text as it is."""
    begins = list(ANSWER.finditer(text))
    if not begins:
        return text
    inner = text[begins[-1].end() :]
    end = END_OF_ANSWER.search(inner)
    return inner[: end.start()] if end else inner


def _table(lines: list[str]) -> list[str] | None:
    """The cells of the column of labels of the first Markdown table; None without one."""
    rule = next((at for at, line in enumerate(lines) if at and "|" in lines[at - 1] and TABLE_RULE.match(line)), None)
    if rule is None:
        return None
    head = _cells(lines[rule - 1])
    named = [at for at, cell in enumerate(head) if LABEL_HEAD.match(cell)]
    others = [at for at, cell in enumerate(head) if not NUMBERED.match(cell)]
    column = (named or others or [0])[0]
    rows = []
    for line in lines[rule + 1 :]:
        if "|" not in line:
            break
        rows.append(_cells(line))
    return [cells[column] for cells in rows if column < len(cells)]


def _cells(line: str) -> list[str]:
    return [cell.strip(QUOTES) for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _pieces(text: str) -> list[str]:
    """The parts of a text that may be labels, without introductions and what is said about them."""
    lines = _without_afterword([line for line in INLINE_ITEM.sub("\n", text).splitlines() if line.strip()])
    defined = sum(bool(_before_colon(line)) for line in lines) > 1
    found: list[str] = []
    for line in lines:
        if found and _is_remark(line):
            continue
        found += _of_line(line, defined)
    return found


def _without_afterword(lines: list[str]) -> list[str]:
    """The lines before "说明：", "Explanation:" and the like."""
    end = next((number for number, line in enumerate(lines) if number and AFTERWORD.match(line)), len(lines))
    return lines[:end]


def _is_remark(line: str) -> bool:
    """Whether a line behind labels ends as a sentence does and has more in it than labels have."""
    if ITEM.match(line) or not END.search(line):
        return False
    return any(
        len(piece.split()) > 4 or len(piece.split()) == 1 and len(piece) > 10 for piece in SEPARATORS.split(line)
    )


def _of_line(line: str, defined: bool) -> Iterable[str]:
    """The parts of one line; `defined`: several lines have a colon behind what is then a label."""
    line = HEADING.sub("", line)
    if HASHTAGS.match(line):
        return line.replace("#", " ").split()
    item = ITEM.match(line)
    line = GLOSS.sub("", ITEM.sub("", line))
    if lead := LEAD.match(line):
        line = line[lead.end() :]
    elif item or defined:
        line = DEFINITION.split(line, maxsplit=1)[0]
    elif _before_colon(line):
        return ()
    line = INTRODUCTION.sub("", line, count=1)
    quoted = [next(filter(None, groups)) for groups in QUOTED.findall(line)]
    if quoted and JOINERS.fullmatch(QUOTED.sub("", line)):
        return [part for one in quoted for part in SEPARATORS.split(one)]
    return SEPARATORS.split(line)


def _before_colon(line: str) -> str:
    """What stands before a colon that introduces no labels; "" without one."""
    line = GLOSS.sub("", ITEM.sub("", line)).strip(QUOTES)
    before, colon, after = line.replace("：", ":").partition(":")
    return before if colon and after.strip(QUOTES) and not LEAD.match(line) else ""


def _label(piece: str) -> str:
    piece = ITEM.sub("", piece)
    piece = " ".join(GLOSS.sub("", piece).strip(QUOTES).rstrip("。.!！:：").strip(QUOTES).split())
    if is_nothing(piece) or len(piece) > MAX_LABEL_CHARS or SENTENCE.search(piece):
        return ""
    if is_refusal(piece) or REMARK.search(piece) or TITLE.match(piece):
        return ""
    return piece if any(char.isalpha() for char in piece) else ""
