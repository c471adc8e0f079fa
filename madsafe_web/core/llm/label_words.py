"""Words around labels in what models answer: names for labels, refusals, and ways to say that there is none."""

from __future__ import annotations

import re

QUOTES = " \t\r\n\"'`“”‘’「」『』《》〈〉‹›«»＂＇〝〞｢｣*_#【】[]()（）"
LABEL_WORDS = r"\b(?:labels?|tags?|themes?|topics?|intents?|categor(?:y|ies))\b|标签|標籤|主题|主題|意图|类别|分类"
REFUSAL = re.compile(
    r"^(?:很|非常)?(?:抱歉|对不起|不好意思)|^作为(?:一个|一名)?(?:AI|人工智能|语言模型)|^我(?:无法|不能|不会)"
    r"|^(?:i['’]?m |i am )?(?:very |really )?sorry\b|^as an ai\b"
    r"|^i (?:can['’]?t|cannot|won['’]?t|am unable|am not able)",
    re.IGNORECASE,
)
# What is a refusal where labels were asked for; a prompt may begin so.
NO_LABELS = re.compile(
    r"^(?:很|非常)遗憾|^我(?:拒绝|没法)|^(?:无法|拒绝)(?:回答|提供|完成|处理|判断|识别|协助|满足|标注|给出)"
    r"|^i apologi[sz]e\b|^unfortunately,? i\b|^i['’]m (?:unable|not able)|^i (?:must )?(?:decline|refuse)\b"
    r"|^(?:can['’]?t|cannot|unable to) (?:help|assist|comply|answer|provide|do|label|tag)\b",
    re.IGNORECASE,
)
NOTHING = re.compile(
    r"(?:无|没有|暂无|未发现|未见|未识别到?|未涉及|不涉及)(?:任何|明显)?的?(?:安全|相关)?(?:标签|主题|问题|风险|内容)?"
    r"|无法识别|不适用|未知|不确定"
    r"|none(?: of the above)?|no (?:safety )?(?:labels?|themes?|tags?|issues?)(?: found| detected)?|null|n/?a|nothing"
    r"|not applicable|unknown",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether a reply to a question for labels refuses to give any."""
    return bool(REFUSAL.search(text) or NO_LABELS.search(text))


def is_nothing(text: str) -> bool:
    """Whether a text is empty or says that there is no label."""
    return not text or NOTHING.fullmatch(text.rstrip("。.!！ ")) is not None
