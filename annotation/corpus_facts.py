"""What a corpus consists of: counts and distributions, each kept in the process until the stored rows change.

Counted anew they cost a pass over the table (300,000 prompts with 427,000 responses: about a second); the marks of the
data by which they are kept cost a few look-ups. While a run is at work the mark moves all the time: a count then holds
for some seconds.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any

from django.db.models import Case, Count, Exists, IntegerField, Max, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Length

from annotation.models import Corpus, Prompt, RejectedImport, Response
from annotation.rejects import standing_counts
from annotation.versions import data_changes
from madsafe_web.core.method import WORKING
from madsafe_web.core.models import Run

# Upper bounds of the bars of the length histogram, in characters; the last bar has none.
LENGTHS = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
MOST_KEPT = 64  # corpora whose facts a process keeps
HELD_S = 5.0  # how long a count still holds while a run at work changes the data
# Newest prompt, response and rejected row, changes to old ones, ended runs, runs at work: rows of a long transaction
# may come in under older ids than what was counted meanwhile, but never after the end of their run.
Mark = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that the corpora hold, each by corpus id."""

    prompts: Mapping[int, int]
    responses: Mapping[int, int]
    rejected: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """The prompts of one corpus by what they are; `lengths` by place in LENGTHS, one place more than it has."""

    prompts: int
    responses: int
    without_response: int
    languages: Mapping[str, int]
    scenarios: Mapping[str, int]
    attacks: Mapping[str, int]
    lengths: tuple[int, ...]
    longest: int  # characters


@dataclass(frozen=True, slots=True)
class Kept:
    """What was counted, the mark that it was counted under, and when that ended (time.monotonic)."""

    mark: Mark
    at: float
    value: Any


_kept: OrderedDict[int, Kept] = OrderedDict()  # the corpora whose facts were looked at, the latest last; ALL for counts
_lock = Lock()
ALL = 0  # no corpus has this id


def data_mark() -> Mark:
    """Where the data stands: what was counted under the same mark still holds. Five quick queries."""
    prompt, response, reject = (_newest(model.objects.order_by()) for model in (Prompt, Response, RejectedImport))
    at_work = Count("id", filter=Q(state__in=WORKING))
    runs = Run.objects.aggregate(ended=Count("id", filter=Q(finished__isnull=False)), at_work=at_work)
    return prompt, response, reject, data_changes(), runs["ended"], runs["at_work"]


def corpus_counts() -> Counts:
    """How many prompts, responses and rejected rows each corpus holds."""
    counts: Counts = _held(ALL, _counts)
    return counts


def corpus_facts(corpus: Corpus) -> Facts:
    """What the prompts of this corpus are."""
    facts: Facts = _held(corpus.pk, lambda: _facts(corpus.pk))
    return facts


def forget() -> None:
    """Drop what is kept, for tests: their rows come again under the same ids."""
    with _lock:
        _kept.clear()


def _held(key: int, count: Callable[[], Any]) -> Any:
    """What is kept under the key while it holds, else what `count` gives. The mark is read before counting."""
    mark = data_mark()
    with _lock:
        kept = _kept.get(key)
    if kept is None or not (kept.mark == mark or _holds(kept, mark)):
        kept = Kept(mark, value=count(), at=monotonic())
    with _lock:
        _kept[key] = kept
        _kept.move_to_end(key)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return kept.value


def _holds(kept: Kept, mark: Mark) -> bool:
    """Whether an outdated count may be shown for now: it is young, no run ended since, and one is at work."""
    *_, ended, at_work = mark
    return monotonic() - kept.at < HELD_S and kept.mark[-2] == ended and at_work > 0


def _newest(rows: QuerySet[Prompt] | QuerySet[Response] | QuerySet[RejectedImport]) -> int:
    found: int | None = rows.aggregate(newest=Max("id"))["newest"]
    return found or 0


def _counts() -> Counts:
    prompts = Prompt.objects.order_by().values_list("corpus").annotate(n=Count("id"))
    responses = Response.objects.order_by().values_list("prompt__corpus").annotate(n=Count("id"))
    return Counts(dict(prompts), dict(responses), standing_counts())


def _facts(corpus_id: int) -> Facts:
    rows = Prompt.objects.filter(corpus=corpus_id).order_by()
    cases = [When(length__lte=bound, then=Value(place)) for place, bound in enumerate(LENGTHS)]
    bar = Case(*cases, default=Value(len(LENGTHS)), output_field=IntegerField())
    grouped = rows.annotate(length=Length("text"), bar=bar).values_list("language", "scenario", "attack_type", "bar")
    languages, scenarios, attacks, lengths = Counter[str](), Counter[str](), Counter[str](), Counter[int]()
    longest = 0
    for language, scenario, attack, place, n, most in grouped.annotate(n=Count("id"), most=Max("length")):
        for counter, name in ((languages, language), (scenarios, scenario), (attacks, attack)):
            counter.update({name: n} if name else {})
        lengths[place] += n
        longest = max(longest, most)
    total = lengths.total()
    answered = rows.filter(Exists(Response.objects.filter(prompt=OuterRef("pk")))).count()
    return Facts(
        prompts=total,
        responses=Response.objects.filter(prompt__corpus=corpus_id).count(),
        without_response=total - answered,
        languages=dict(languages),
        scenarios=dict(scenarios),
        attacks=dict(attacks),
        lengths=tuple(lengths[place] for place in range(len(LENGTHS) + 1)),
        longest=longest,
    )
