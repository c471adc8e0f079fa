"""Versions of prompt templates as rows: which is in use, and which a run fixed when it started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.models import PromptTemplate, TemplateVersion
from madsafe_web.core.llm.templates import Template
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.models import Run


def names_of(families: Iterable[str]) -> list[str]:
    """The templates of these names in every language that they exist in: "label" → label.en, label.zh."""
    wanted = set(families)
    return [name for name in templates.names() if name.partition(".")[0] in wanted]


def in_use(names: Iterable[str]) -> dict[str, Template]:
    """Name → the version that the next run uses: the chosen one, else the file."""
    chosen = TemplateVersion.objects.filter(name__in=list(names), in_use=True).select_related("template")
    edited = {row.name: templates.made(row.name, row.template.text) for row in chosen}
    return {name: edited.get(name) or templates.load(name) for name in names}


def freeze(run: Run, families: Iterable[str]) -> None:
    """Fix on the run which texts it uses, and keep them, so that neither a choice nor a new file changes them."""
    texts = in_use(names_of(families))
    rows = [PromptTemplate(name=one.name, sha256=one.sha256, text=one.text) for one in texts.values()]
    PromptTemplate.objects.bulk_create(rows, ignore_conflicts=True)
    run.templates = {name: one.sha256 for name, one in texts.items()}
    run.save(update_fields=["templates"])


def frozen(run: Run) -> Mapping[str, Template]:
    """The templates that a run fixed. Raises StageError when the text of one is gone."""
    kept = dict(PromptTemplate.objects.filter(sha256__in=set(run.templates.values())).values_list("sha256", "text"))
    if gone := [name for name, sha in run.templates.items() if sha not in kept]:
        raise StageError(f"The text of template '{gone[0]}' that {run} began with is gone. Start a new run.")
    return {name: Template(name, kept[sha], sha) for name, sha in run.templates.items()}
