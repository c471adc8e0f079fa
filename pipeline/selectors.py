"""What the stages of this app read."""

from __future__ import annotations

from collections.abc import Iterator

from annotation.models import Corpus
from annotation.selectors import prompts_active, prompts_standing
from madsafe_web.core.models import Run

SCANNED = 5_000


def label_keys(run: Run) -> Iterator[str]:
    """The prompts in use that stage `label` reads."""
    rows = prompts_active(run.params["corpora"], run.params["roles"])
    return map(str, rows.values_list("id", flat=True).iterator(SCANNED))


def general_ids() -> list[int]:
    """Prompts of the general corpora that have a response, by id."""
    rows = prompts_standing().filter(corpus__role=Corpus.Role.GENERAL, responses__isnull=False).distinct()
    return list(rows.values_list("id", flat=True))
