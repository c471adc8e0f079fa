"""Database and file work of the stages `freeze` and `export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from annotation.models import Corpus, Prompt
from annotation.text import CLEAN_VERSION, clean, prompt_key
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.textio import atomic_write, write_jsonl
from pipeline.models import AlignmentSample, AlignmentSet

BATCH_ROWS = 2000


def selected_set(run: Run) -> AlignmentSet:
    """The set that the chain's `select` made. Raises StageError when there is none."""
    return AlignmentSet.objects.get(pk=service.upstream(run, "select").outputs["set"])


def samples(made: AlignmentSet) -> Iterator[dict[str, Any]]:
    """The samples of a set in order, as the frozen file holds them: texts cleaned, with scores and lineage."""
    rows = made.samples.order_by("prompt").values_list(
        "prompt", "prompt__text", "response", "response__text", "response__origin", "kind", "category", "scores"
    )
    for pk, prompt, response_pk, response, origin, kind, category, scores in rows.iterator(BATCH_ROWS):
        yield {
            "prompt_id": pk,
            "prompt": clean(prompt),
            "response_id": response_pk,
            "response": clean(response),
            "response_origin": origin,
            "kind": kind,
            "category": category,
            "scores": scores,
        }


def freeze(job: Job) -> None:
    """Drop what must not be trained on, write the file, and fix the set under the file's hash."""
    made = selected_set(job.run)
    total = made.counts["safety"] + made.counts["general"]
    job.total(total)
    dropped = drop_unusable(made) if made.state == AlignmentSet.State.DRAFT else total - made.samples.count()
    path = Path(settings.VAR_DIR, "sets", f"set-{made.pk}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    count, digest = write_jsonl(path, samples(made))
    write_card(path.with_suffix(".md"), made, count, digest)
    with job.commit(kept=count, rejected=total - count):
        AlignmentSet.objects.filter(pk=made.pk, state=AlignmentSet.State.DRAFT).update(
            state=AlignmentSet.State.FROZEN, sha256=digest, file=f"sets/{path.name}", frozen=timezone.now()
        )
        job.output(set=made.pk, sha256=digest, rows=count)
        audit(job.run.actor, "set.freeze", f"set {made.pk}", rows=count, sha256=digest)
    job.log(f"Frozen with {count} samples; {dropped} were left out: overlap with a benchmark, or an empty text.")


def drop_unusable(made: AlignmentSet) -> int:
    """Take out samples whose prompt is that of a benchmark, and those with an empty text; gives their number."""
    benchmark = Prompt.objects.filter(corpus__role=Corpus.Role.BENCHMARK).values("key")
    gone = made.samples.filter(prompt__key__in=benchmark).delete()[0]
    texts = made.samples.values_list("id", "prompt__text", "response__text").iterator(BATCH_ROWS)
    empty = [pk for pk, prompt, response in texts if not clean(prompt) or not clean(response)]
    for start in range(0, len(empty), 500):
        gone += AlignmentSample.objects.filter(pk__in=empty[start : start + 500]).delete()[0]
    return gone


def write_card(path: Path, made: AlignmentSet, count: int, digest: str) -> None:
    """A text beside the file that says what it is and how it came to be."""
    mark = "\n> offline rules: for trying MadSafe, not for publishing results\n" if made.offline_rules else ""
    lines = [f"# {made.name}", mark, f"- samples: {count}", f"- sha256: {digest}", f"- merge map: {made.merge_map}"]
    lines += [f"- text cleaning: {CLEAN_VERSION}", "", "## Rule"]
    lines += [f"- {name}: {value}" for name, value in sorted(made.rule.items())]
    with atomic_write(path) as file:
        file.write("\n".join(lines).encode() + b"\n")


def export_file(made: AlignmentSet) -> Path:
    """Where the exported rows of a set lie."""
    return Path(settings.VAR_DIR, "export", f"set-{made.pk}.jsonl")


def export(job: Job) -> None:
    """Write the frozen set in LLaMA-Factory's alpaca form.

    Samples that derive from a corpus not for export stay out, and so do repeated instructions, which it cannot use.
    """
    made = selected_set(job.run)
    if made.state != AlignmentSet.State.FROZEN:
        raise StageError(f"{made} is not frozen yet, so it is not exported. Run the stage 'freeze' first, then resume.")
    barred = barred_prompts(made)
    total = made.samples.count()
    job.total(total)
    path = export_file(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    count, digest = write_jsonl(path, alpaca_rows(made, barred))
    with job.commit(kept=count, rejected=len(barred), duplicate=total - count - len(barred)):
        job.output(set=made.pk, file=f"export/{path.name}", rows=count, sha256=digest)
        audit(job.run.actor, "set.export", f"set {made.pk}", rows=count, left_out=len(barred))


def alpaca_rows(made: AlignmentSet, barred: set[int]) -> Iterator[dict[str, str]]:
    """instruction, input, output of each sample that may go out, every instruction once."""
    seen: set[bytes] = set()
    for one in samples(made):
        key = prompt_key(one["prompt"])
        if one["prompt_id"] not in barred and key not in seen:
            seen.add(key)
            yield {"instruction": one["prompt"], "input": "", "output": one["response"]}


def barred_prompts(made: AlignmentSet) -> set[int]:
    """Prompts of the set that were withdrawn, come from a corpus not for export, or were generated from such a one."""
    closed_to_all = Q(prompt__corpus__exportable=False) | Q(prompt__state=Prompt.State.WITHDRAWN)
    barred = set(made.samples.filter(closed_to_all).values_list("prompt", flat=True))
    generated = made.samples.filter(prompt__origin=Prompt.Origin.GENERATED).values_list("prompt", "prompt__parents")
    closed = set(Prompt.objects.filter(corpus__exportable=False).values_list("id", flat=True))
    return barred | {pk for pk, parents in generated.iterator(BATCH_ROWS) if not closed.isdisjoint(parents)}
