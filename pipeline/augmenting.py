"""Database side of the augmenting stages: what is lacking, what new prompts are made from, which of them may enter."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from annotation.merge.reading import map_of
from annotation.models import Corpus, IntentLabel, MapEntry, MergeMap, Prompt
from annotation.rows import Candidate
from annotation.selectors import (
    categories_of,
    category_codes,
    label_counts,
    prompt_categories,
    prompts_active,
    prompts_standing,
    side,
)
from annotation.services import generated_corpus, prompts_add_generated
from annotation.text import clean, prompt_key
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Outcome, Result
from pipeline import balance
from pipeline.rows import KeywordRow, MapContext, RelatedRow
from pipeline.similarity import NearIndex


def map_context(run: Run) -> MapContext:
    """The map that the run reads and the names of the categories."""
    merge_map = map_of(run)
    names = {code: {"zh": row.name_zh, "en": row.name_en} for code, row in categories_of(merge_map).items()}
    known = frozenset(merge_map.entries.values_list("label__key", flat=True))
    return MapContext(known, category_codes(merge_map), names)


def keyword_keys(run: Run) -> Iterator[str]:
    """Keys "CODE:label id:variant": for each category that lacks prompts, turns over its most used labels."""
    merge_map = map_of(run)
    categories = prompt_categories(merge_map)
    active = Counter(categories[pk] for pk in prompts_active().values_list("id", flat=True) if pk in categories)
    counts = {code: active[code] for code in categories_of(merge_map)}
    keywords = _keywords(merge_map, run.params["keywords"])
    for code, missing in balance.augmentation_plan(counts, run.params["target"]).items():
        labels = keywords.get(code, [])
        for number in range(missing if labels else 0):
            yield f"{code}:{labels[number % len(labels)]}:{number // len(labels)}"


def _keywords(merge_map: MergeMap, most: int) -> dict[str, list[int]]:
    """Category code → ids of its labels, the most used first and equals by key, at most `most` each."""
    used = label_counts(merge_map)
    entries = MapEntry.objects.filter(merge_map=merge_map, category__isnull=False)
    labels: dict[str, list[int]] = defaultdict(list)
    for label_id, code in entries.order_by("label__key").values_list("label", "category__code"):
        labels[code].append(label_id)
    return {code: sorted(ids, key=lambda pk: -used.get(pk, 0))[:most] for code, ids in labels.items()}


def keyword_rows(run: Run, keys: Sequence[str]) -> list[tuple[str, KeywordRow]]:
    """The rows behind keyword keys. A second try draws the same examples: the seed holds the label, not its id."""
    wanted = [(key, *key.split(":")) for key in keys]
    labels = IntentLabel.objects.in_bulk({int(label) for _, _, label, _ in wanted})
    pools = _example_pools(map_of(run), {code for _, code, _, _ in wanted})
    rows = []
    for key, code, label_id, variant in wanted:
        label = labels[int(label_id)]
        language = side(label.language)
        pool = pools.get((code, language), [])
        seed = random.Random(f"{run.params['seed']}:{code}:{label.key}:{variant}")
        chosen = seed.sample(pool, min(run.params["examples"], len(pool)))
        parents, examples = tuple(pk for pk, _ in chosen), tuple(text for _, text in chosen)
        rows.append((key, KeywordRow(code, label.name, language, int(variant), examples, parents)))
    return rows


def _example_pools(merge_map: MergeMap, codes: set[str]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """(category, language) → id and text of imported prompts in use."""
    categories = prompt_categories(merge_map)
    pools: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    imported = prompts_active().filter(origin=Prompt.Origin.IMPORTED)
    for pk, text, language in imported.values_list("id", "text", "language").iterator(2000):
        if categories.get(pk) in codes:
            pools[categories[pk], side(language)].append((pk, clean(text)))
    return pools


def related_keys(run: Run) -> Iterator[str]:
    """Keys "prompt id:variant": prompts drawn evenly from the categories by the run's seed."""
    categories = prompt_categories(map_of(run))
    imported = prompts_active().filter(origin=Prompt.Origin.IMPORTED).values_list("id", flat=True)
    rows = [(str(pk), categories[pk]) for pk in imported.iterator(2000) if pk in categories]
    quota = max(1, run.params["prompts"] // max(1, len({code for _, code in rows})))
    drawn, _ = balance.reject(rows, seed=run.params["seed"], quota=quota)
    for pk in drawn[: run.params["prompts"]]:
        for variant in range(run.params["per_prompt"]):
            yield f"{pk}:{variant}"


def related_rows(run: Run, keys: Sequence[str]) -> list[tuple[str, RelatedRow]]:
    """The rows behind related keys."""
    wanted = [(key, int(pk), int(variant)) for key in keys for pk, variant in [key.split(":")]]
    ids = sorted({pk for _, pk, _ in wanted})
    categories = prompt_categories(map_of(run), ids)
    texts = {
        pk: (clean(text), side(language))
        for pk, text, language in prompts_standing().filter(id__in=ids).values_list("id", "text", "language")
    }
    return [
        (key, RelatedRow(pk, *texts[pk], categories[pk], variant))
        for key, pk, variant in wanted
        if pk in categories and pk in texts
    ]


@dataclass(slots=True)
class Pool:
    """What generated prompts are compared with: every alignment and benchmark prompt so far."""

    index: NearIndex
    ids: list[int] = field(default_factory=list)
    benchmark: set[int] = field(default_factory=set)

    def refresh(self) -> None:
        """Take in the prompts stored since the last time, also by other workers."""
        roles = [Corpus.Role.ALIGNMENT, Corpus.Role.BENCHMARK]
        rows = prompts_standing().filter(corpus__role__in=roles, id__gt=self.ids[-1] if self.ids else 0)
        new = list(rows.values_list("id", "text", "corpus__role"))
        self.index.add([clean(text) for _, text, _ in new])
        self.ids += [pk for pk, _, _ in new]
        self.benchmark.update(pk for pk, _, role in new if role == Corpus.Role.BENCHMARK)


_pools: dict[int, Pool] = {}  # of the runs in work in this process


def forget_pool(run: Run) -> None:
    """Finish of both augmentations: the pool of the run is needed no longer."""
    _pools.pop(run.pk, None)


def candidates_write(run: Run, rows: list[tuple[str, KeywordRow | RelatedRow, Result]]) -> list[Result]:
    """Writer of both augmentations: a value is a Candidate; near-duplicates and benchmark overlaps stay out."""
    Corpus.objects.select_for_update().get(pk=generated_corpus().pk)  # one writer at a time sees all that came before
    pool = _pools.setdefault(run.pk, Pool(NearIndex(run.params["threshold"])))
    pool.refresh()
    results = [result for _, _, result in rows]
    places = [number for number, result in enumerate(results) if isinstance(result.value, Candidate)]
    candidates = [results[number].value for number in places]
    verdicts = withdrawn(candidates, judge(candidates, pool, run.params["threshold"]))
    for number, verdict in zip(places, verdicts, strict=True):
        if verdict:
            results[number] = verdict
    prompts_add_generated(run, [one for one, verdict in zip(candidates, verdicts, strict=True) if not verdict])
    return results


def judge(candidates: list[Candidate], pool: Pool, threshold: float) -> list[Result | None]:
    """For each candidate why it may not enter, or None; later ones are compared with earlier ones too."""
    texts = [one.text for one in candidates]
    near = pool.index.find(texts, threshold)
    fresh, seen = NearIndex(threshold), set[bytes]()
    verdicts: list[Result | None] = []
    for text, found in zip(texts, near, strict=True):
        if found:
            verdicts.append(_refusal(pool.ids[found[0]], found[1], pool))
        elif prompt_key(text) in seen or fresh.find([text], threshold)[0]:
            verdicts.append(Result(None, Outcome.DUPLICATE, "Repeats another generated prompt."))
        else:
            verdicts.append(None)
            seen.add(prompt_key(text))
            fresh.add([text])
    return verdicts


def withdrawn(candidates: list[Candidate], verdicts: list[Result | None]) -> list[Result | None]:
    """The verdicts, with one more for each candidate of which a parent was withdrawn since it was read."""
    parents = {pk for one in candidates for pk in one.parents}
    gone = set(Prompt.objects.filter(pk__in=parents, state=Prompt.State.WITHDRAWN).values_list("id", flat=True))
    refused = Result(None, Outcome.REJECTED, "A prompt it was made from was withdrawn.")
    pairs = zip(candidates, verdicts, strict=True)
    return [verdict if gone.isdisjoint(one.parents) else refused for one, verdict in pairs]


def _refusal(twin: int, likeness: float, pool: Pool) -> Result:
    if twin in pool.benchmark:
        return Result(None, Outcome.REJECTED, f"Overlaps benchmark prompt {twin} ({likeness:.2f}).")
    return Result(None, Outcome.DUPLICATE, f"Repeats prompt {twin} ({likeness:.2f}).")
