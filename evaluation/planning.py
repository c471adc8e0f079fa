"""What an evaluation is about: benchmark versions frozen from the corpora, and one evaluation a model and benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from annotation.merge.reading import map_of
from annotation.models import Corpus, MergeMap, Prompt
from annotation.selectors import NO_MAP, categories_of, map_newest_published, prompt_categories, prompts_standing
from annotation.text import clean
from evaluation.benchmarks import cvalues, new_safety, safetybench
from evaluation.models import Benchmark, BenchmarkVersion, EvaluationRun, Item
from evaluation.rows import BENCHMARKS, CVALUES, NEW_SAFETY, SAFETYBENCH
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.endpoints import endpoint_get
from madsafe_web.core.models import Endpoint, Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError

SCANNED = 2_000  # rows read at once
OFFLINE = frozenset({"rules", "tiny_llama"})  # backends without a skill of their own
TEMPLATES = ("chat", "judge.zh", "judge.en")
# Benchmark → formats of the corpora it is made of. Only corpora with the role benchmark count.
FORMATS = {
    SAFETYBENCH: ("safetybench",),
    NEW_SAFETY: ("s_eval", "cvalues_comparison"),
    CVALUES: ("cvalues_responsibility",),
}
Chance = Mapping[str, float]  # category, or "" for all → accuracy 0..1 of a model that guesses


@dataclass(frozen=True, slots=True)
class Source:
    """A prompt that may become an item. `key` is its identity in every installation (see Prompt.key)."""

    id: int
    key: str
    category: str
    text: str
    source_id: str
    format: str
    attack_type: str
    payload: Mapping[str, Any]


def evaluate_keys(run: Run) -> Iterator[str]:
    """Keys "evaluation id:item id", the two models in turn. Freezes the benchmarks and makes the run's evaluations.

    Raises StageError for an unknown benchmark, when no benchmark has an item, and when there is no tuned model.
    """
    if unknown := set(run.params["benchmarks"]) - set(BENCHMARKS):
        raise StageError(f"There is no benchmark '{min(unknown)}'. Known: {', '.join(BENCHMARKS)}.")
    subjects = _subjects(run)
    merge_map = _map(run)
    chosen = {name: _SOURCES[name](run, merge_map) for name in BENCHMARKS if name in run.params["benchmarks"]}
    for name in [name for name, sources in chosen.items() if not sources]:
        del chosen[name]
        service.log(run, f"{name} is left out: no corpus with the role benchmark has items for it.")
    if not chosen:
        raise StageError(
            "No benchmark has any item. Import SafetyBench, CValues or S-Eval with the role 'benchmark', "
            "then start again."
        )
    pairs = {name: _evaluations(run, name, sources, subjects, merge_map) for name, sources in chosen.items()}
    return (
        f"{evaluation.pk}:{item}"
        for evaluations in pairs.values()
        for item in evaluations[0].version.items.values_list("id", flat=True)
        for evaluation in evaluations
    )


def endpoint_names(run: Run) -> list[str]:
    """The endpoints that a planned run asks."""
    asked = EvaluationRun.objects.filter(run=run).order_by("id")
    names = list(asked.values_list("endpoint__name", flat=True))
    if asked.filter(version__benchmark__name=NEW_SAFETY).exists():
        names.append(run.params["judge_endpoint"])
    return list(dict.fromkeys(names))


def _subjects(run: Run) -> dict[str, Endpoint]:
    tuned = run.params["tuned_endpoint"]
    if not tuned:
        training = service.upstream(run, "train")
        tuned = training.outputs.get("endpoint", "")
        if not tuned:
            raise StageError(f"{training} notes no endpoint for its model. Name one as `tuned_endpoint`.")
    names = {EvaluationRun.Subject.BASE: run.params["base_endpoint"], EvaluationRun.Subject.TUNED: tuned}
    return {subject.value: endpoint_get(name) for subject, name in names.items()}


# --- items ---


def _prompts(name: str, **filters: Any) -> Iterator[Prompt]:
    """Prompts of the benchmark's corpora by id, each text once."""
    rows = prompts_standing().filter(corpus__role=Corpus.Role.BENCHMARK, corpus__format__in=FORMATS[name], **filters)
    seen: set[bytes] = set()
    for prompt in rows.select_related("corpus").iterator(SCANNED):
        if bytes(prompt.key) not in seen:
            seen.add(bytes(prompt.key))
            yield prompt


def _source(prompt: Prompt, category: str) -> Source:
    return Source(
        prompt.pk,
        bytes(prompt.key).hex(),
        category,
        clean(prompt.text),
        prompt.source_id,
        prompt.corpus.format,
        prompt.attack_type,
        prompt.payload,
    )


def _safetybench(run: Run, merge_map: MergeMap | None) -> list[Source]:
    """All questions of the set, whatever state other stages gave them: its scores are over the whole set."""
    found: list[Source] = []
    unknown = 0
    for prompt in _prompts(SAFETYBENCH):
        code = safetybench.CATEGORIES.get(prompt.payload.get("category", ""))
        if prompt.payload.get("split") == "dev":
            continue
        if code:
            found.append(_source(prompt, code))
        unknown += not code
    if unknown:
        service.log(run, f"safetybench: {unknown} questions name a category it does not have and are left out.")
    return found


def _cvalues(run: Run, merge_map: MergeMap | None) -> list[Source]:
    """The multiple-choice rows: those with a label; the category is the domain."""
    rows = (prompt for prompt in _prompts(CVALUES) if prompt.payload.get("label") in (cvalues.FIRST, cvalues.SECOND))
    return [_source(prompt, prompt.scenario[:24]) for prompt in rows]


def _new_safety(run: Run, merge_map: MergeMap | None) -> list[Source]:
    """A sample over the categories of the map's taxonomy of the prompts in use that it puts into one."""
    prompts = {prompt.pk: prompt for prompt in _prompts(NEW_SAFETY, state=Prompt.State.ACTIVE)}
    categories, codes = _categories(run, merge_map, list(prompts)), list(categories_of(merge_map))
    sources = [_source(prompt, categories[pk]) for pk, prompt in prompts.items() if pk in categories]
    by_key = {one.key: one for one in sources}
    candidates = [new_safety.Candidate(one.key, one.category, one.format, one.attack_type) for one in sources]
    per_category = run.params["per_category"]
    try:
        chosen = new_safety.sample(candidates, per_category, run.params["seed"], codes)
    except ValueError as error:
        raise StageError(f"New-Safety cannot be sampled: {error}.") from error
    if chosen and (short := new_safety.shortfall(chosen, per_category, codes)):
        lacking = ", ".join(f"{code} {count}" for code, count in short.items())
        service.log(run, f"new_safety: prompts lacking to {per_category} a category: {lacking}.")
    return [by_key[one.key] for one in chosen]


def _map(run: Run) -> MergeMap | None:
    """The map that New-Safety is sampled by; None while there is none."""
    if NEW_SAFETY not in run.params["benchmarks"] or not (run.params.get("map") or map_newest_published()):
        return None
    return map_of(run)


def _categories(run: Run, merge_map: MergeMap | None, prompt_ids: Sequence[int]) -> dict[int, str]:
    if not prompt_ids:
        return {}
    if merge_map is None:
        service.log(run, f"new_safety: {NO_MAP}")
        return {}
    parts = [prompt_ids[at : at + SCANNED] for at in range(0, len(prompt_ids), SCANNED)]
    return {pk: code for part in parts for pk, code in prompt_categories(merge_map, part).items()}


_SOURCES: dict[str, Callable[[Run, MergeMap | None], list[Source]]] = {
    SAFETYBENCH: _safetybench,
    NEW_SAFETY: _new_safety,
    CVALUES: _cvalues,
}


# --- versions and evaluations ---


def _digest(sources: Sequence[Source]) -> str:
    """SHA-256 over id, text, category, options and answer of every item in order."""
    digest = hashlib.sha256()
    for one in sources:
        facts = [one.source_id, one.text, one.category, one.payload.get("options"), one.payload.get("answer")]
        digest.update(orjson.dumps(facts) + b"\n")
    return digest.hexdigest()


def _freeze(name: str, sources: Sequence[Source]) -> BenchmarkVersion:
    """The version with this content: the existing one, or a new one with its items."""
    benchmark, _ = Benchmark.objects.get_or_create(name=name)
    version, new = BenchmarkVersion.objects.get_or_create(benchmark=benchmark, sha256=_digest(sources))
    if new:
        items = [
            Item(version=version, prompt_id=one.id, position=position, category=one.category)
            for position, one in enumerate(sources)
        ]
        Item.objects.bulk_create(items, batch_size=1000)
    return version


def _evaluations(
    run: Run,
    name: str,
    sources: Sequence[Source],
    subjects: Mapping[str, Endpoint],
    merge_map: MergeMap | None,
) -> list[EvaluationRun]:
    version = _freeze(name, sources)
    asked = [*subjects.values(), *([endpoint_get(run.params["judge_endpoint"])] if name == NEW_SAFETY else [])]
    made = []
    for subject, endpoint in subjects.items():
        values = {
            "endpoint": endpoint,
            "model_sha256": endpoint.options.get("sha256", ""),
            "settings": {**_settings(run, name, sources, endpoint), **_by_map(name, merge_map)},
            "offline_rules": any(one.backend in OFFLINE or one.options.get("offline_rules") for one in asked),
        }
        made.append(EvaluationRun.objects.get_or_create(run=run, version=version, subject=subject, defaults=values)[0])
    return made


def _by_map(name: str, merge_map: MergeMap | None) -> dict[str, Any]:
    """Which map said the categories, and by which taxonomy: what the results are read by later."""
    if name != NEW_SAFETY or merge_map is None:
        return {}
    return {"map": merge_map.version, "taxonomy": merge_map.taxonomy.version}


def _settings(run: Run, name: str, sources: Sequence[Source], endpoint: Endpoint) -> dict[str, Any]:
    common = {"seed": run.params["seed"], "model": endpoint.model, "backend": endpoint.backend}
    if name == NEW_SAFETY:
        shas = {one: run.templates.get(one) or templates.load(one).sha256 for one in TEMPLATES}
        sampling = {"temperature": 0.0, "top_p": 1.0, "max_tokens": run.params["max_tokens"]}
        judge = run.params["judge_endpoint"]
        return {**common, "mode": "judge", "judge": judge, "templates": shas, "sampling": sampling, "chance": {}}
    mode = {"mode": "clp", "version": safetybench.VERSION} if name == SAFETYBENCH else {"mode": "choice"}
    return {**common, **mode, "chance": _chance(name, sources)}


def _chance(name: str, sources: Sequence[Source]) -> Chance:
    if name == CVALUES:
        return dict.fromkeys(["", *sorted({one.category for one in sources})], 0.5)
    items = [safetybench.Item(one.id, one.category, one.text, tuple(one.payload["options"])) for one in sources]
    every, by_category = safetybench.chance_level(items)
    return {"": every / 100, **{code: value / 100 for code, value in by_category.items()}}
