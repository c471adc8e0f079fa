"""Corpora with their counts and how far their import is; the page of one corpus with its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.corpus_facts import LENGTHS, Facts, corpus_counts, corpus_facts
from annotation.models import Corpus, RejectedImport
from annotation.pages.drawn import Drawn
from annotation.pages.imports import Imported, imports_of
from annotation.prompt_filter import LANGUAGES
from annotation.rejects import standing_rejects, with_raw
from madsafe_web.core.charts.figures import histogram, scenario_distribution
from madsafe_web.core.charts.parts import Chart
from madsafe_web.core.paging import newest_first
from madsafe_web.core.runs.pages import Item, value_text
from madsafe_web.core.wording import worded

MOST_BARS = 30
MOST_NAMES = 12  # languages, kinds of attack, warnings and reasons that the page names
RAW_SHOWN = 400  # characters of a rejected row
Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class CorpusShown:
    id: int
    name: str
    state: str
    use: str
    prompts: int
    responses: int
    rejected: int
    licence: str
    exportable: bool
    imported: datetime | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows have a name, and what share of all in percent."""

    name: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True)
class Rejected:
    file: str
    number: int
    field: str
    reason: str  # as it is stored: in English
    raw: str

    @property
    def why(self) -> str:
        """The reason in the language of the reader."""
        return worded(self.reason)


def corpora_shown(rows: Iterable[Corpus]) -> list[CorpusShown]:
    """These corpora as lines of a list, in a fixed number of queries."""
    corpora = list(rows)
    counts, imports = corpus_counts(), imports_of(corpora)
    return [
        CorpusShown(
            id=row.pk,
            name=row.name,
            state=corpus_state(row, imports.get(row.pk, [])),
            use=row.get_role_display(),
            prompts=counts.prompts.get(row.pk, 0),
            responses=counts.responses.get(row.pk, 0),
            rejected=counts.rejected.get(row.pk, 0),
            licence=row.licence,
            exportable=row.exportable,
            imported=row.created,
        )
        for row in corpora
    ]


def corpus_state(row: Corpus, imports: Sequence[Imported]) -> str:
    """withdrawn, or how far the newest import is."""
    if row.withdrawn:
        return "withdrawn"
    return imports[-1].state if imports else "done"


def corpus_context(row: Corpus, query: QueryDict) -> Context:
    """The page of one corpus; `query` says which of its rejected rows are shown."""
    facts = corpus_facts(row)
    imports = imports_of([row]).get(row.pk, [])
    rejects = standing_rejects(row)
    page = newest_first(rejects.defer("raw"), query)
    return {
        "corpus": row,
        "state": corpus_state(row, imports),
        "facts": facts,
        "counts": import_counts(imports, facts, page.pager.total),
        "imports": imports[::-1],
        "languages": counted({language_name(code): n for code, n in facts.languages.items()}, facts.prompts),
        "attacks": counted(facts.attacks, facts.prompts),
        "warnings": counted({worded(text): n for text, n in warnings(imports).items()}, facts.prompts),
        "reasons": reasons(rejects),
        "mapping": [Item(name, value_text(value)) for name, value in row.mapping.items()],
        "figures": figures(row, facts),
        "rejected": [rejected_shown(row, one) for one in with_raw(page.rows, RAW_SHOWN + 1)],
        "corrected": RejectedImport.objects.filter(corpus=row).exclude(corrected=None).count(),
        "pager": page.pager,
    }


def import_counts(imports: Sequence[Imported], facts: Facts, rejected: int) -> dict[str, int]:
    """Rows of all imports together; of a corpus that no import made, its prompts."""
    if not imports:
        return {"read": facts.prompts + rejected, "imported": facts.prompts, "duplicates": 0, "rejected": rejected}
    return {
        "read": sum(one.read for one in imports),
        "imported": sum(one.imported for one in imports),
        "duplicates": sum(one.duplicates for one in imports),
        "rejected": sum(one.rejected for one in imports),
    }


def warnings(imports: Iterable[Imported]) -> Counter[str]:
    """Reason → rows that were imported in spite of it, over all imports."""
    found: Counter[str] = Counter()
    for one in imports:
        found.update(one.warnings)
    return found


def reasons(rejects: QuerySet[RejectedImport]) -> list[Counted]:
    """Why these rows were rejected, the most frequent reasons first, each with its field."""
    rows = rejects.order_by().values_list("field", "reason")
    found = {" ".join(filter(None, (field, worded(reason)))): n for field, reason, n in rows.annotate(n=Count("id"))}
    return counted(found, sum(found.values()))


def counted(counts: Mapping[str, int], total: int) -> list[Counted]:
    """The most frequent names, ties by name."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES]
    return [Counted(name, n, 100 * n / total if total else 0.0) for name, n in ranked]


def language_name(code: str) -> str:
    """The name of a language in that of the reader; of another one its code."""
    return str(LANGUAGES.get(code, code))


def rejected_shown(corpus: Corpus, row: RejectedImport) -> Rejected:
    raw = row.raw if len(row.raw) <= RAW_SHOWN else f"{row.raw[:RAW_SHOWN]} …"
    return Rejected(row.file or corpus.file_name, row.row, row.field, row.reason, raw)


def figures(row: Corpus, facts: Facts) -> list[Drawn]:
    """Scenarios as in Figure 3-2 of the paper, and the lengths of the prompts; each only where there are some."""
    page = reverse("annotation:corpus", args=[row.pk])
    found = []
    if facts.scenarios:
        found.append(_scenarios(row, facts.scenarios, page))
    if facts.longest:
        found.append(_lengths(row, facts, page))
    return found


def _scenarios(row: Corpus, counts: Mapping[str, int], page: str) -> Drawn:
    columns = (_("Corpus"), _("Scenario"), _("Prompts"))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    drawn = scenario_distribution({row.name: dict(ranked[:MOST_BARS])}, axis=_("Prompts"))
    whole = scenario_distribution({row.name: counts}, columns=columns)
    first = _("the first %(shown)s of %(total)s") % {"shown": MOST_BARS, "total": len(counts)}
    note = first if len(counts) > MOST_BARS else _("as in the source")
    alt = _("Bars: number of prompts of %(corpus)s in each scenario.") % {"corpus": row.name}
    return Drawn("fig-scenarios", _("By scenario"), note, alt, Chart(drawn.figure, whole.table), page)


def _lengths(row: Corpus, facts: Facts, page: str) -> Drawn:
    starts = (0, *(bound + 1 for bound in LENGTHS))
    bins = [f"{low:,}–{high:,}" for low, high in zip(starts, LENGTHS, strict=False)] + [f"> {LENGTHS[-1]:,}"]
    used = max(place for place, n in enumerate(facts.lengths) if n) + 1
    columns = (_("Characters"), _("Prompts"))
    chart = histogram(bins[:used], facts.lengths[:used], axis=_("Characters"), columns=columns)
    note = _("the longest has %(count)s characters") % {"count": f"{facts.longest:,}"}
    alt = _("Upright bars: number of prompts of %(corpus)s by their length.") % {"corpus": row.name}
    return Drawn("fig-lengths", _("Lengths of the prompts"), note, alt, chart, page, upright=True)
