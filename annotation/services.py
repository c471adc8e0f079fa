"""The only writers of prompts, labels and responses that models make."""

from __future__ import annotations

from collections.abc import Sequence

from annotation import selectors
from annotation.models import (
    Corpus,
    IntentLabel,
    LabelSpelling,
    LabelSuggestion,
    Prompt,
    PromptIntent,
    Response,
)
from annotation.rows import Candidate, LabelRow, NewResponse, PromptRow
from annotation.searching import remember
from annotation.text import folded, language, prompt_key, response_key
from madsafe_web.core.llm.parse import Suggestion, label_key
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Outcome, Result

GONE = Prompt.State.WITHDRAWN


def labels_get(names: Sequence[str]) -> dict[str, int]:
    """Label key → id, for these spellings; labels not seen before are made."""
    by_key = {label_key(name): name for name in reversed(names)}  # the first spelling is the name
    known = dict(IntentLabel.objects.filter(key__in=by_key).values_list("key", "id"))
    missing = sorted(set(by_key) - set(known))
    new = [IntentLabel(key=key, name=by_key[key], language=language(by_key[key])) for key in missing]
    IntentLabel.objects.bulk_create(new, ignore_conflicts=True)
    ids = dict(IntentLabel.objects.filter(key__in=by_key).values_list("key", "id"))
    _spellings_add({(ids[label_key(name)], name) for name in names})
    return ids


def _spellings_add(wanted: set[tuple[int, str]]) -> None:
    """Keep how labels were written, beside the one spelling that each is shown with."""
    held = LabelSpelling.objects.filter(label__in={label for label, _ in wanted}).values_list("label", "text")
    new = [LabelSpelling(label_id=label, text=text) for label, text in sorted(wanted - set(held))]
    LabelSpelling.objects.bulk_create(new, ignore_conflicts=True)


def intents_add(run: Run, labelled: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Give prompts their labels, in the order the model named them."""
    ids = labels_get([name for _, names in labelled for name in names])
    links = [
        PromptIntent(prompt_id=prompt_id, label_id=ids[label_key(name)], run=run, position=position)
        for prompt_id, names in labelled
        for position, name in enumerate(names)
    ]
    PromptIntent.objects.bulk_create(links, ignore_conflicts=True, batch_size=1000)


def intents_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of stage `label`: a value is the tuple of labels of one prompt."""
    intents_add(run, [(row.id, result.value) for _, row, result in rows if result.value])
    return [result for _, _, result in rows]


def suggestions_write(run: Run, rows: list[tuple[str, LabelRow, Result]]) -> list[Result]:
    """Writer of stage `suggest`: a value is a Suggestion for one label."""
    categories = dict(selectors.categories(selectors.taxonomy_for(run)).values_list("code", "id"))
    new = [
        LabelSuggestion(
            label_id=row.id, run=run, category_id=categories.get(value.category), confidence=value.confidence
        )
        for _, row, result in rows
        if isinstance(value := result.value, Suggestion)
    ]
    LabelSuggestion.objects.bulk_create(new, ignore_conflicts=True)
    return [result for _, _, result in rows]


def responses_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of stage `regenerate`: a value is a NewResponse. A reply the prompt already has is a duplicate.

    A prompt that was withdrawn while a model answered gets no response any more.
    """
    gone = set(Prompt.objects.filter(pk__in=[row.id for _, row, _ in rows], state=GONE).values_list("id", flat=True))
    held = Response.objects.filter(prompt__in=[row.id for _, row, _ in rows]).values_list("prompt", "key")
    known = {(pk, bytes(key)) for pk, key in held}
    new: list[Response] = []
    results: list[Result] = []
    for _, row, result in rows:
        if isinstance(result.value, NewResponse):
            response = _regenerated(run, row.id, result.value)
            if row.id in gone:
                result = Result(None, Outcome.SKIPPED, "The prompt was withdrawn.")
            elif (row.id, response.key) in known:
                result = Result(None, Outcome.DUPLICATE, "The prompt already has this response.")
            else:
                new.append(response)
        results.append(result)
    Response.objects.bulk_create(new)
    return results


def _regenerated(run: Run, prompt_id: int, value: NewResponse) -> Response:
    return Response(
        prompt_id=prompt_id,
        key=response_key(value.text),
        text=value.text,
        origin=Response.Origin.REGENERATED,
        run=run,
        generation_id=value.generation,
    )


def generated_corpus() -> Corpus:
    """The corpus that generated prompts live in."""
    defaults = {"format": "generated", "role": Corpus.Role.ALIGNMENT}
    return Corpus.objects.get_or_create(name="Generated", defaults=defaults)[0]


def prompts_add_generated(run: Run, candidates: Sequence[Candidate]) -> list[int]:
    """Store generated prompts with their labels; returns their ids in order. Keys must be new to the corpus."""
    corpus = generated_corpus()
    rows = [
        Prompt(
            corpus=corpus,
            key=prompt_key(one.text),
            text=one.text,
            folded=folded(one.text),
            language=language(one.text),
            origin=Prompt.Origin.GENERATED,
            run=run,
            generation_id=one.generation,
            parents=list(one.parents),
        )
        for one in candidates
    ]
    Prompt.objects.bulk_create(rows, batch_size=500)
    by_key = {bytes(key): pk for pk, key in Prompt.objects.filter(run=run, corpus=corpus).values_list("id", "key")}
    ids = [by_key[bytes(row.key)] for row in rows]
    remember((pk, row.folded) for pk, row in zip(ids, rows, strict=True))
    intents_add(run, [(pk, one.labels) for pk, one in zip(ids, candidates, strict=True)])
    return ids
