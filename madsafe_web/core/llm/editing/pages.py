"""Reading what the pages of prompt templates show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db.models import Count, Max, QuerySet
from django.db.models.fields.json import KeyTextTransform

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Message
from madsafe_web.core.llm.templates import Template
from madsafe_web.core.method import Text, stage_name
from madsafe_web.core.models import Run, TemplateVersion, User
from madsafe_web.core.runs.stage import RowStage
from madsafe_web.core.runs.stages import point, stages

Examples = Sequence[tuple[str, Mapping[str, str]]]  # a name for people, and place → what stands in it


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A template in the list; `in_use` 0 is the file."""

    name: str
    stages: tuple[Text, ...]
    places: tuple[str, ...]
    versions: int
    in_use: int


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list of its template; `runs` fixed it when they started, `newest` is the last of them or 0."""

    number: int
    sha256: str
    in_use: bool
    note: str
    author: str
    created: datetime | None
    runs: int
    newest: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """The messages that a template makes of one prompt of the store."""

    title: str
    messages: tuple[Message, ...]


def template_lines(rows: QuerySet[TemplateVersion]) -> list[TemplateLine]:
    """All templates of the installation, in one query."""
    counts = dict(rows.values_list("name").annotate(Count("pk")).order_by("name"))
    chosen = dict(rows.filter(in_use=True).values_list("name", "number"))
    return [
        TemplateLine(
            name, stage_names(name), tuple(templates.load(name).places), counts.get(name, 0) + 1, chosen.get(name, 0)
        )
        for name in templates.names()
    ]


@cache
def _stages() -> dict[str, tuple[str, ...]]:
    """Family of templates → the stages whose rows are rendered with it."""
    declared = [one for one in stages().values() if isinstance(one, RowStage)]
    families = {name for one in declared for name in one.templates}
    return {name: tuple(one.name for one in declared if name in one.templates) for name in families}


def stage_names(name: str) -> tuple[str, ...]:
    """What the stages that use a template are called."""
    return tuple(stage_name(stage) for stage in _stages().get(name.partition(".")[0], ()))


def version_lines(name: str, rows: Sequence[TemplateVersion], *, with_file: bool, in_use: int) -> list[VersionLine]:
    """The versions for the list, the file last when it belongs to this page; one query for their runs."""
    used = _used(name)
    lines = [
        VersionLine(
            row.number,
            row.template.sha256,
            row.number == in_use,
            row.note,
            row.author_name,
            row.created,
            *used.get(row.template.sha256, (0, 0)),
        )
        for row in rows
    ]
    if with_file:
        sha = templates.load(name).sha256
        lines.append(VersionLine(0, sha, in_use == 0, "", "", None, *used.get(sha, (0, 0))))
    return lines


def _used(name: str) -> dict[str, tuple[int, int]]:
    """sha256 → how many runs began with this text of the template, and the newest of them."""
    began = Run.objects.annotate(sha=KeyTextTransform(name, "templates")).filter(sha__isnull=False)
    rows = began.order_by("sha").values("sha").annotate(runs=Count("pk"), newest=Max("pk"))
    return {row["sha"]: (row["runs"], row["newest"]) for row in rows}


def number_in_use(rows: QuerySet[TemplateVersion], name: str) -> int:
    """The number of the version in use; 0 is the file."""
    return rows.filter(name=name, in_use=True).values_list("number", flat=True).first() or 0


def text_of(rows: QuerySet[TemplateVersion], name: str, number: int) -> Template | None:
    """The template of a version; None when there is none of that number."""
    if number == 0:
        return templates.load(name)
    row = rows.filter(name=name, number=number).select_related("template").first()
    return templates.made(name, row.template.text) if row else None


def rendered(user: User, template: Template, ids: Sequence[int]) -> list[Rendered]:
    """The template with real prompts in its places: those of the ids, else the newest ones."""
    examples: Examples = point(settings.TEMPLATE_EXAMPLES)(user, template.name.partition(".")[2], list(ids))
    return [
        Rendered(title, templates.messages(template, {place: inputs.get(place, "…") for place in template.places}))
        for title, inputs in examples
    ]
