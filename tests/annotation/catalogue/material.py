"""A small installation with everything that a catalogue counts, drawn by a seed. Texts are short and abstract."""

from __future__ import annotations

from random import Random

from annotation.models import Corpus, IntentLabel, MergeMap, Prompt, PromptIntent, Response
from annotation.taxonomy import CATEGORIES
from annotation.text import folded, prompt_key
from madsafe_web.core.models import Run
from pipeline.models import Score
from tests.factories import make_corpus, make_label, make_map, make_response, make_run

WORDS = ("天气", "河流", "學習", "学习", "blue", "Green", "ＡＢＣ", "一", "二三", "*", "%", "_", '"', "AND", "🌊")
LANGUAGES, SCENARIOS, ATTACKS = ("zh", "en", "mixed"), ("", "one", "two"), ("", "role play")
LABELS = 8
CODES = [row[0] for row in CATEGORIES]


def texts(random: Random, count: int) -> list[str]:
    return ["".join(random.choice(WORDS) for _ in range(random.randint(1, 6))) + f" {at}" for at in range(count)]


def make_prompts_mixed(random: Random, corpus: Corpus, count: int) -> list[Prompt]:
    """Prompts of every kind; half of them stored without their text for search, as older ones are."""
    started = corpus.prompts.count()
    rows = [
        Prompt(
            corpus=corpus,
            key=prompt_key(f"{text} {started}"),
            text=f"{text} {started}",
            folded=folded(f"{text} {started}") if random.random() < 0.5 else "",
            language=random.choice(LANGUAGES),
            scenario=random.choice(SCENARIOS),
            attack_type=random.choice(ATTACKS),
            state=random.choice(Prompt.State.values),
        )
        for text in texts(random, count)
    ]
    return Prompt.objects.bulk_create(rows)


def make_things(random: Random, prompts: list[Prompt]) -> None:
    """Responses, labels (some twice, by two runs) and scores (some by two scorers) on a part of these prompts."""
    labels = [make_label(f"label {number}") for number in range(LABELS)]
    runs = [make_run("label"), make_run("label")]
    links = [
        PromptIntent(prompt=prompt, label=label, run=run, position=place)
        for prompt in prompts
        for run in runs
        for place, label in enumerate(random.sample(labels, random.randint(0, 2)))
    ]
    PromptIntent.objects.bulk_create(links)
    scoring = make_run("perplexity")
    for prompt in prompts[::2]:
        for number in range(random.randint(0, 2)):
            make_score(random, prompt, scoring, make_response(prompt, f"answer {number} 河 {random.random()}"))
        make_score(random, prompt, scoring)


def make_score(random: Random, prompt: Prompt, run: Run, response: Response | None = None) -> None:
    kinds = ["response_safety"] if response else ["perplexity", "instruction_safety"]
    for scorer in ("first", "second")[: random.randint(0, 2)]:
        for kind in kinds:
            value = random.choice([None, round(random.random(), 2)])
            given = {"scorer": f"{scorer} {run.pk}", "value": value, "run": run}
            Score.objects.create(kind=kind, prompt=prompt, response=response, **given)


def make_material(seed: int = 1, count: int = 120) -> MergeMap:
    """Two corpora with everything on them; gives the published map."""
    random = Random(seed)
    for name in ("First", "Second"):
        make_things(random, make_prompts_mixed(random, make_corpus(name), count // 2))
    decided = {label: CODES[label.pk % 3] for label in IntentLabel.objects.all() if label.pk % 4}
    return make_map(decided, published=True)
