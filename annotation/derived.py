"""What derives from a corpus: its prompts, those generated from them, and what the apps above have of both.

An app above says what it has by a `Part`, named in the setting WITHDRAWAL_PARTS: this app does not know the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Func, QuerySet, Value
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from annotation.models import Corpus, Prompt, PromptIntent, RejectedImport, Response

T = TypeVar("T")
READ_AT_ONCE = 2000
ASKED_AT_ONCE = 500  # ids in one question


@dataclass(frozen=True, slots=True)
class Affected:
    """The prompts of a corpus, and by id those that were generated from them, directly or over several steps."""

    corpus: Corpus
    generated: tuple[int, ...]

    def count(self, rows: QuerySet[Any], path: str = "prompt") -> int:
        """How many of the rows belong to these prompts; `path` leads from a row to its prompt."""
        own = rows.filter(**{f"{path}__corpus": self.corpus}).count()
        return own + sum(rows.filter(**{f"{path}__in": ids}).count() for ids in slices(self.generated))

    def values(self, rows: QuerySet[Any], name: str, path: str = "prompt") -> set[Any]:
        """The different values that a column has in the rows of these prompts."""
        parts: list[dict[str, Any]] = [{f"{path}__corpus": self.corpus}]
        parts += [{f"{path}__in": ids} for ids in slices(self.generated)]
        return {value for part in parts for value in rows.filter(**part).values_list(name, flat=True).distinct()}

    def ids(self) -> list[int]:
        """All ids, from the smallest up."""
        own = Prompt.objects.filter(corpus=self.corpus).values_list("id", flat=True)
        return sorted({*own.iterator(READ_AT_ONCE), *self.generated})


@dataclass(frozen=True, slots=True)
class Derived:
    """Rows of one kind that derive from a corpus: their number, what happens to them, and pages to look at."""

    name: str
    count: int
    fate: str
    links: tuple[tuple[str, str], ...] = ()  # name, address


@dataclass(frozen=True, slots=True)
class Part:
    """What an app above has to do with the withdrawal of prompts.

    told    what it has of them
    blank   (prompt ids) -> keys of the model's replies that nothing points to any more; inside a transaction
    finish  marks what was made of withdrawn prompts and removes their texts from files; may be done twice
    stages  names of stages whose replies are texts, so that those that were stored nowhere else go too
    """

    told: Callable[[Affected], list[Derived]]
    blank: Callable[[Sequence[int]], set[str]]
    finish: Callable[[], None]
    stages: tuple[str, ...] = ()


def parts() -> list[Part]:
    """The parts of the apps above, from the nearest up."""
    return [import_string(name) for name in settings.WITHDRAWAL_PARTS]


def affected(corpus: Corpus) -> Affected:
    """What would be withdrawn with the corpus, in two passes over the generated prompts and its own ids."""
    own = Prompt.objects.filter(corpus=corpus).values_list("id", flat=True)
    known = set(own.iterator(READ_AT_ONCE))
    made = Prompt.objects.filter(origin=Prompt.Origin.GENERATED).exclude(corpus=corpus).order_by("id")
    waiting = list(made.values_list("id", "parents").iterator(READ_AT_ONCE))
    found: list[int] = []
    while new := [pk for pk, parents in waiting if pk not in known and not known.isdisjoint(parents)]:
        found += new
        known.update(new)
    return Affected(corpus, tuple(sorted(found)))


def told(corpus: Corpus) -> list[Derived]:
    """What derives from the corpus, in the order in which it came about."""
    found = affected(corpus)
    return [*_own(found), *(line for part in parts() for line in part.told(found))]


def _own(found: Affected) -> list[Derived]:
    blanked = _("The texts are blanked; their keys stay.")
    links = PromptIntent.objects.order_by()
    rejected = RejectedImport.objects.filter(corpus=found.corpus)
    return [
        Derived(_("Prompts of the corpus"), Prompt.objects.filter(corpus=found.corpus).count(), blanked),
        Derived(_("Prompts generated from them"), len(found.generated), blanked),
        Derived(_("Responses"), found.count(Response.objects.order_by()), blanked),
        Derived(_("Rejected rows"), rejected.count(), _("What they held is blanked; file, row and reason stay.")),
        Derived(_("Labels of these prompts"), found.count(links), _("They stay: names of themes, no texts.")),
    ]


class _Listed(Func):
    """The values of a list that is one parameter: with hundreds of them, most time goes into writing the statement."""

    output_field = models.BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="(SELECT value FROM json_each(%(expressions)s))")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "(SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(%(expressions)s AS json)) AS value)"
        )
        return super().as_sql(compiler, connection, template=template)


def among(ids: Sequence[int]) -> _Listed:
    """For `…__in`: these ids as one parameter, however many they are."""
    return _Listed(Value(orjson.dumps(list(ids)).decode()))


def written(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The keys of the models' replies that these rows came from."""
    return rows.exclude(generation=None).order_by().values_list("generation", flat=True)


def slices(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """The ids in pieces that one question to the database can hold."""
    return (ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE))
