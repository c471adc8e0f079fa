"""300,000 prompts put together from short harmless clauses, with labels, responses and scores; and queries for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, count, islice
from random import Random
from typing import Any
from urllib.parse import urlencode


def words(text: str, between: str = " ") -> list[str]:
    return text.split(between)


PLACES = words("河边 山上 图书馆 车站 学校 公园 市场 厨房 阳台 海港 博物馆 邮局 花园 办公室 村口 桥头 湖畔 操场")
TIMES = words("早上 中午 傍晚 周末 下雨时 开学前 放假后 春天 夏天 秋天 冬天 明天 昨天 今年 下个月 节日里")
DEEDS = words("读书 散步 画画 做饭 练琴 种花 观星 写信 打扫 修车 学数学 听讲座 拍照片 喝茶 下棋 骑车 游泳 唱歌")
ASKS = words("要注意什么 怎样安排时间 有哪些步骤 需要准备什么 为什么重要 怎么和家人商量 能推荐几种办法吗 请写一段说明")
ENGLISH = words(
    "How should I plan a walk;Which book explains weather;Tell me about rivers;Describe a quiet garden", ";"
)
SCENARIOS = [f"scenario {number}" for number in range(20)]
LABELS, CODES = 2000, 14
ROWS = 5000
COLUMNS = words("id corpus_id key text folded language source_id scenario attack_type origin payload state parents")


def fill(random: Random, prompts: int) -> None:
    """Write everything, past the models: their own way takes minutes."""
    from annotation.models import Corpus, IntentLabel, Prompt, PromptIntent, Response
    from annotation.text import folded, prompt_key, response_key
    from madsafe_web.core.models import Run
    from pipeline.models import Score

    Corpus.objects.bulk_create([Corpus(pk=n, name=f"Corpus {n}", format="alpaca", role="alignment") for n in (1, 2, 3)])
    run = Run.objects.create(stage="label", state="done", actor_name="test")
    IntentLabel.objects.bulk_create([IntentLabel(pk=n, key=f"k{n}", name=f"标签 {n}") for n in range(1, LABELS + 1)])
    texts = list(islice(sentences(random), prompts))
    rows = (
        (
            *(pk, 1 if pk <= prompts // 3 else random.choice((2, 2, 3)), prompt_key(text), text, folded(text)),
            *("en" if text.isascii() else "zh", str(pk), random.choice(SCENARIOS)),
            *(random.choice(("", "", "", "role play")), "imported", "{}", random.choice(STATES), "[]"),
        )
        for pk, text in enumerate(texts, 1)
    )
    insert(Prompt, COLUMNS, rows)
    answers = enumerate(((pk, text) for pk, text in enumerate(texts, 1) if pk % 10 < 8), 1)
    insert(
        Response,
        ["id", "prompt_id", "key", "text", "kind", "origin"],
        ((n, pk, response_key(text), (text + "。") * 4, "reply", "imported") for n, (pk, text) in answers),
    )
    insert(PromptIntent, ["id", "prompt_id", "label_id", "run_id", "position"], _links(random, prompts, run.pk))
    insert(Score, ["id", "kind", "prompt_id", "scorer", "value", "detail", "run_id"], _scores(random, prompts, run.pk))
    _decide()


STATES = ("active",) * 9 + ("duplicate",)


def sentences(random: Random) -> Iterator[str]:
    for number in count(1):
        if number % 20 == 0:
            yield f"{random.choice(ENGLISH)} near place {number}?"
        else:
            half = f"{random.choice(TIMES)}在{random.choice(PLACES)}{random.choice(DEEDS)}，"
            yield f"{half}之后去{random.choice(PLACES)}{random.choice(DEEDS)}，{random.choice(ASKS)}？第{number}次"


def _links(random: Random, prompts: int, run: int) -> Iterator[tuple[int, ...]]:
    """Two labels a prompt, the n-th label 1/n as often as the first."""
    weights = list(accumulate(1 / n for n in range(1, LABELS + 1)))
    number = count(1)
    for pk in range(1, prompts + 1):
        for place, label in enumerate(set(random.choices(range(1, LABELS + 1), cum_weights=weights, k=2))):
            yield next(number), pk, label, run, place


def _scores(random: Random, prompts: int, run: int) -> Iterator[tuple[object, ...]]:
    number = count(1)
    for pk in range(1, prompts + 1, 2):
        for kind, most in (("perplexity", 5.0), ("instruction_safety", 1.0)):
            yield next(number), kind, pk, "rules", round(most * random.random(), 4), "{}", run


def _decide() -> None:
    """A published map that knows nine labels of ten."""
    from annotation.models import Category, IntentLabel, MapEntry, MergeMap, Taxonomy

    made = MergeMap.objects.create(version=1, state="published", taxonomy=Taxonomy.objects.latest("version"))
    codes = list(Category.objects.values_list("pk", flat=True))
    labels = IntentLabel.objects.values_list("pk", flat=True)
    entries = [
        MapEntry(merge_map=made, label_id=pk, category_id=codes[pk % CODES] if pk % 10 else None, decided_by="rule")
        for pk in labels
    ]
    MapEntry.objects.bulk_create(entries)


def insert(model: Any, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    from django.db import connection, transaction

    from madsafe_web.core import bulk

    left = iter(rows)
    while batch := list(islice(left, ROWS)):
        with transaction.atomic():
            bulk.insert(model, columns, batch)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")


FILTERS: dict[str, list[str]] = {
    "corpus": ["1", "2", "3"],
    "language": ["zh", "en"],
    "scenario": SCENARIOS,
    "category": ["OFF", "UB", "CIA", "PP", "none"],
    "label": [str(number) for number in (1, 2, 3, 10, 50, 400)],
    "attack": ["role play", "-"],
    "state": ["active", "duplicate"],
    "responses": ["yes", "no"],
}


def query(random: Random) -> str:
    """0 to 4 filters, some of several values, and in two cases of three a word of 1 to 6 characters."""
    pairs = []
    for name in random.sample([*FILTERS, "range"], random.randint(0, 4)):
        if name == "range":
            pairs += [("perplexity_max", "40"), ("instruction_safety_min", "0.3")]
        else:
            pairs += [(name, value) for value in random.sample(FILTERS[name], random.randint(1, 2))]
    if random.random() < 2 / 3:
        text = next(sentences(random))
        size = random.randint(1, 6)
        start = random.randrange(max(1, len(text) - size))
        pairs.append(("q", text[start : start + size].strip() or "在"))
    return urlencode(pairs)
