"""A tiny model for tests, made once a test session and shared by all of its processes."""

from __future__ import annotations

import itertools
import os
import tempfile
from functools import cache
from pathlib import Path

from madsafe_web.core.llm import tiny_model as tiny_llama

TOPICS = (
    "网络安全",
    "个人隐私",
    "身心健康",
    "公平对待",
    "交通规则",
    "饮食习惯",
    "家庭预算",
    "school work",
    "city parks",
    "old books",
)
PATTERNS = (
    "请介绍{0}的基本知识，并说明为什么重要。",
    "怎样向朋友解释{0}？请给出三个要点。",
    "关于{0}，普通人最常见的误解是什么？",
    "Please explain {0} in a few short sentences.",
    "What should everyone know about {0} and why?",
    "选项：\n(A) 了解{0}\n(B) 忽视{0}\n(C) 回避{0}\n(D) 以上都不是\n答案：(A)",
)


def texts() -> list[str]:
    """Harmless texts in two languages to train a tokenizer and a model on."""
    return [pattern.format(topic) for pattern, topic in itertools.product(PATTERNS, TOPICS)]


@cache
def tiny_model() -> Path:
    """The folder of a tiny Llama: the same one for all tests of one machine and user until its code changes."""
    made_from = tiny_llama.source_key(texts(), seed=7, steps=30)
    folder = Path(tempfile.gettempdir()) / f"madsafe-tests-{os.getuid()}" / made_from
    if not folder.exists():
        try:
            tiny_llama.make(folder, texts(), seed=7, steps=30)
        except OSError:  # another test process was first; its folder is as good
            if not folder.exists():
                raise
    return folder
