"""Chinese words that frame a theme without changing it (行为, 问题, 宣扬), and those that turn it round (反, 防范)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 2  # characters that make a theme


@dataclass(frozen=True, slots=True)
class Light:
    """A framing word. Two of the same `frame` say the same, unless both are `strong`: 攻击 is not 犯罪."""

    word: str
    frame: str
    strong: bool = False

    def goes_with(self, other: Light) -> bool:
        """Whether both can frame one theme without making two of it."""
        if self == other or {self.frame, other.frame} & {"any", "topic"}:
            return True
        return self.frame == other.frame and not (self.strong and other.strong)


def _frames(frame: str, words: str, strong: str = "") -> dict[str, Light]:
    weak = {word: Light(word, frame) for word in words.split()}
    return weak | {word: Light(word, frame, strong=True) for word in strong.split()}


WORDS = {
    **_frames("topic", "问题 现象 方面 相关 话题 风险 类别 类型"),
    **_frames("any", "涉嫌 涉及 违反 违背 进行 实施 从事 违法 恶意"),
    **_frames("act", "行为 活动 事件 倾向", strong="犯罪 攻击"),
    **_frames("speech", "言论 言语 语言 内容 宣扬 传播 散布 煽动 鼓吹"),
    **_frames("harm", "侵犯 侵害 危害 损害"),
    **_frames("creed", "主义 思想 思潮"),
    **_frames("name", "指令"),
    **_frames("other", "其他 其它"),
}
# Only as what one name has beyond the other: inside a name they are parts of words (性别, 权力, 人类).
_ENDINGS = {char: Light(char, "any") for char in "权性类"}
_PART = re.compile(f"{'|'.join(WORDS)}|.")
_UNLAWFUL = re.compile("非法|不法")  # said of the same acts
_THEMES = frozenset(["犯罪", "攻击", "违法"])
_TURNS = re.compile(r"[反非不无防禁拒戒抗未]|合法|其他|其它|保护|打击|杜绝|救助")
_TURNING_WORDS = frozenset({"other", "no", "not", "non", "anti", "counter", "safe", "unsafe", "without"})
_TURNING_WORDS |= {
    "prevent",
    "preventing",
    "prevention",
    "protect",
    "protecting",
    "protection",
    "combating",
    "fighting",
}


def parts(han: str) -> tuple[str, ...]:
    """Chinese text as framing words and single characters."""
    return tuple(_PART.findall(_UNLAWFUL.sub("违法", han)))


def framing(rest: Sequence[str]) -> list[Light] | None:
    """The framing words that a rest consists of, [] for an empty one; None where it says something of its own."""
    found = [WORDS.get(part) or _ENDINGS.get(part) for part in rest]
    return None if None in found else [one for one in found if one]


def says_little(rest: Sequence[str]) -> bool:
    """Whether a rest could as well be left out: 问题 of 腐败问题, beside 贪污腐败."""
    return all(part in WORDS and WORDS[part].frame == "topic" for part in rest)


def says_something(shared: Sequence[str], *names: Sequence[str]) -> bool:
    """Whether shared parts carry a theme: two characters that do not frame, or what frames where there is no other.

    In 违法活动 and 违法犯罪 it is 违法, since neither name has another theme.
    """
    if sum(part not in WORDS for part in shared) >= FEWEST:
        return True
    bare = all(sum(part not in WORDS for part in name) < FEWEST for name in names)
    return bare and any(part in _THEMES for part in shared)


def meant(han: Sequence[str]) -> frozenset[str]:
    """The parts of a name that carry its theme; all of them where there are none."""
    said = frozenset(part for part in han if part not in WORDS or WORDS[part].strong)
    return said if len(said) >= FEWEST else frozenset(han)


def turns(rest: Sequence[str], words: tuple[str, ...]) -> bool:
    """Whether a rest turns the theme round: 防范诈骗 and 其他诈骗 are not 诈骗."""
    said = "".join(part for part in rest if part not in WORDS or WORDS[part].frame == "other")
    return bool(_TURNS.search(said)) or not _TURNING_WORDS.isdisjoint(words)
