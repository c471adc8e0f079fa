"""A file shaped like Safety-Prompts: harmless sentences put together by chance, replies as long as the real ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

SCENARIOS = (
    *("Insult", "Unfairness_And_Discrimination", "Crimes_And_Illegal_Activities", "Physical_Harm", "Mental_Health"),
    *("Privacy_And_Property", "Ethics_And_Morality"),
)
# The deciles of the published sample, in characters.
PROMPT_LENGTHS = (9, 17, 21, 24, 28, 31, 35, 39, 44, 51, 103)
REPLY_LENGTHS = (30, 79, 120, 190, 280, 369, 430, 480, 520, 558, 814)
REPEATED = 0.1  # of the prompts
WORDS = (
    *("请问", "怎样", "说明", "生活", "城市", "公园", "图书馆", "天气", "交通", "学校", "老师", "朋友", "家庭", "健康"),
    *("饮食", "运动", "音乐", "旅行", "历史", "文化", "科学", "技术", "环境", "节约", "用水", "安全", "规则", "尊重"),
    *("理解", "沟通", "合作", "学习", "工作", "时间", "计划", "习惯", "早晨", "晚上", "周末", "春天", "秋天", "介绍"),
    *("方法", "建议", "重要", "应该", "可以", "需要", "帮助", "因为", "所以", "但是", "例如", "首先", "其次", "最后"),
)
MARKS = "，，，。、？；："


def write(path: Path, *, pairs: int = 0, size: int = 0, seed: int = 20261124, longest_reply: int = 814) -> int:
    """Write so many pairs, or as many as `size` bytes hold; gives their number. The same seed gives the same file."""
    chance = random.Random(seed)
    lengths = tuple(min(length, longest_reply) for length in REPLY_LENGTHS)
    stock = "".join(chance.choice(WORDS) + (chance.choice(MARKS) if chance.random() < 0.3 else "") for _ in range(9999))
    prompts: list[str] = []
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for number, scenario in enumerate(SCENARIOS, 1):
            file.write(f'{"{" if number == 1 else ","}"{scenario}": [')
            written = 0
            while count < pairs * number // len(SCENARIOS) or file.tell() < size * number // len(SCENARIOS):
                row = {"prompt": _prompt(chance, stock, prompts, count), "response": _cut(chance, stock, lengths)}
                file.write(("," if written else "") + json.dumps({**row, "type": scenario}, ensure_ascii=False))
                count, written = count + 1, written + 1
            file.write("]\n")
        file.write("}")
    return count


def _prompt(chance: random.Random, stock: str, prompts: list[str], number: int) -> str:
    """A new prompt, or in one of ten cases an earlier one."""
    if prompts and chance.random() < REPEATED:
        return chance.choice(prompts)
    text = f"{_cut(chance, stock, PROMPT_LENGTHS)}{number}"
    if len(prompts) < 100_000:
        prompts.append(text)
    return text


def _cut(chance: random.Random, stock: str, lengths: tuple[int, ...]) -> str:
    decile = chance.randrange(10)
    length = chance.randint(lengths[decile], lengths[decile + 1])
    start = chance.randrange(len(stock) - length)
    return stock[start : start + length]
