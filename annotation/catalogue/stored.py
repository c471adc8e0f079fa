"""The same answers from the database, for as long as there is no catalogue. Slower, and no order by a score."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Count, Max, Min, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Length, StrIndex

from annotation.catalogue.wanted import FACETS, NONE, PLAIN, Wanted
from annotation.labelling import links_read
from annotation.models import MapEntry, MergeMap, Prompt, PromptIntent, Response
from annotation.searching import matching

COLUMNS = {"corpus": "corpus", "attack": "attack_type"}  # of the facets that are not called as their column is


def score_model() -> type[models.Model]:
    """The scores of prompts, which the app above declares."""
    found = Prompt._meta.get_field("scores").related_model
    assert isinstance(found, type)
    return found


def fitting(rows: QuerySet[Prompt], wanted: Wanted, without: str = "") -> QuerySet[Prompt]:
    """Those of the prompts that fit; `without` leaves one facet's own filter out."""
    if wanted.text:
        rows = _holding(rows, wanted)
    for name in FACETS:
        values = wanted.chosen.get(name)
        if values and name != without:
            rows = rows.filter(_with_values(wanted, name, values))
    for name, (least, most) in wanted.ranges.items():
        if name != without and (least is not None or most is not None):
            scored = _numbers(name)
            scored = scored if least is None else scored.filter(number__gte=least)
            scored = scored if most is None else scored.filter(number__lte=most)
            rows = rows.filter(pk__in=scored.values("prompt"))
    return rows


def ordered(rows: QuerySet[Prompt], sort: str) -> QuerySet[Prompt]:
    """In this order where the database has it at hand, else the newest first."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name == "length":
        rows = rows.annotate(length=Length("text"))
        return rows.order_by("-length" if down else "length", "-id")
    return rows.order_by("id" if sort == "id" else "-id")


def counts(wanted: Wanted, facet: str) -> dict[str, int]:
    """Value → number of prompts that fit all other filters and have it. Values that none has are left out."""
    rows = fitting(Prompt.objects.order_by(), wanted, without=facet)
    if facet == "responses":
        total, answered = rows.count(), rows.filter(_with_values(wanted, facet, ("yes",))).count()
        return {value: n for value, n in (("yes", answered), ("no", total - answered)) if n}
    if facet in PLAIN:
        return _numbered(rows.values_list(COLUMNS.get(facet, facet)).annotate(n=Count("id")))
    if facet == "label":
        links = PromptIntent.objects.filter(prompt__in=rows.values("id")).order_by()
        return _numbered(links.values_list("label").annotate(n=Count("prompt", distinct=True)))
    links = _links(wanted).filter(prompt__in=rows.values("id")).order_by()
    decided = MapEntry.objects.filter(merge_map=wanted.merge_map, category__isnull=False)
    code_of = dict(decided.values_list("label", "category__code"))
    held: dict[str, set[int]] = {}
    for label, prompt in links.filter(label__in=decided.values("label")).values_list("label", "prompt").iterator():
        held.setdefault(code_of[label], set()).add(prompt)
    bare = rows.count() - len(set().union(*held.values()))
    return {**{code: len(prompts) for code, prompts in held.items()}, **({NONE: bare} if bare else {})}


def _links(wanted: Wanted) -> QuerySet[PromptIntent]:
    """The links of prompts to labels that the map reads."""
    return links_read(MergeMap.objects.get(pk=wanted.merge_map) if wanted.merge_map else None)


def _numbered(rows: QuerySet[Any, tuple[Any, int]]) -> dict[str, int]:
    return {str(value): n for value, n in rows}


def scored(wanted: Wanted, name: str) -> tuple[int, float, float]:
    """How many prompts that fit the other filters have this number, the smallest and the largest (0 for none)."""
    rows = fitting(Prompt.objects.order_by(), wanted, without=name)
    found = _numbers(name).filter(prompt__in=rows.values("id")).order_by()
    told = found.aggregate(count=Count("number"), least=Min("number"), most=Max("number"))
    return told["count"], told["least"] or 0.0, told["most"] or 0.0


def children_of(pk: int) -> list[int]:
    """Ids of the prompts that were generated from this one."""
    made = Prompt.objects.filter(origin=Prompt.Origin.GENERATED).annotate(named=Cast("parents", TextField()))
    found = made.filter(named__contains=str(pk)).order_by("id").values_list("id", "parents")
    return [child for child, parents in found if pk in map(int, parents)]


def unbarred(ids: list[int]) -> set[int]:
    """Those of these prompts that derive from no corpus that is not for export."""
    sources, left = {pk: {pk} for pk in ids}, set(ids)  # prompt → those of `ids` that derive from it
    kept = set(ids)
    while left:
        above: set[int] = set()
        rows = Prompt.objects.filter(pk__in=left).values_list("id", "corpus__exportable", "origin", "parents")
        for pk, exportable, origin, parents in rows:
            kept -= set() if exportable else sources[pk]
            for parent in map(int, parents if origin == Prompt.Origin.GENERATED else ()):
                grown = sources.setdefault(parent, set())
                if not sources[pk] <= grown:
                    grown |= sources[pk]
                    above.add(parent)
        left = above
    return kept


def _holding(rows: QuerySet[Prompt], wanted: Wanted) -> QuerySet[Prompt]:
    if not wanted.within:
        return matching(rows, wanted.typed)
    held = Response.objects.alias(found_at=StrIndex("text", Value(wanted.typed))).filter(found_at__gt=0)
    texts = matching(Prompt.objects.order_by(), wanted.typed)
    return rows.filter(Q(pk__in=texts.values("pk")) | Q(pk__in=held.values("prompt")))


def _with_values(wanted: Wanted, name: str, values: tuple[str, ...]) -> Q:
    if name == "responses":
        answered = Q(pk__in=Response.objects.values("prompt"))
        return (answered if "yes" in values else Q(pk__in=[])) | (~answered if "no" in values else Q(pk__in=[]))
    if name == "label":
        return Q(pk__in=PromptIntent.objects.filter(label__in=map(int, values)).values("prompt"))
    if name == "category":
        decided = MapEntry.objects.filter(merge_map=wanted.merge_map, category__isnull=False)
        links = _links(wanted)
        chosen = links.filter(label__in=decided.filter(category__code__in=values).values("label"))
        every = links.filter(label__in=decided.values("label"))
        found = Q(pk__in=chosen.values("prompt"))
        return found | ~Q(pk__in=every.values("prompt")) if NONE in values else found
    return Q(**{f"{COLUMNS.get(name, name)}__in": values})


def _numbers(name: str) -> QuerySet[Any]:
    """The newest score of each prompt as `number`; of its responses that of the safest (pages.prompts.Scores)."""
    scores = score_model()._default_manager.filter(kind=name).order_by()
    of = "prompt"
    if name == "response_safety":
        scores, of = scores.filter(response__isnull=False, value__isnull=False), "response"
    newest = scores.values(of).annotate(newest=Max("id")).values("newest")
    kept = score_model()._default_manager.filter(id__in=newest, value__isnull=False).order_by()
    found: QuerySet[Any] = kept.values("prompt").annotate(number=Max("value"))
    return found
