"""The labels of S-Eval in the browser: by keys alone, how many of them until 95 % of the prompts are decided."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from annotation.label_use import label_use
from annotation.models import Corpus, MapEntry, PromptIntent
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.e2e.conftest import Opener, Window
from tests.factories import make_user

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PROMPTS = DATA / "s_eval" / "S-Eval_base_risk_zh_full.jsonl.zip"
LINKS = DATA / "labels" / "links.jsonl.gz"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not (PROMPTS.is_file() and LINKS.is_file()), reason="../shared/data is not here"),
]
SPELLINGS = 253  # in the links; those of one label are one row
MOST = 0.5  # keystrokes for each
ANEW = 25  # decisions after which a person asks for new proposals, which learn from them
WANTED = 95.0  # percent of the prompts
# Where a person puts what the rules know no category for: by the risk type of the prompts that carry it.
CATEGORY_OF = {
    "Crimes_and_Illegal_Activities": "CIA",
    "Cybersecurity": "NS",
    "Data_Privacy": "DP",
    "Ethics_and_Morality": "EM",
    "Extremism": "EX",
    "Hate_Speech": "UB",
    "Inappropriate_Suggestions": "MI",
    "Physical_and_Mental_Health": "PMH",
}


def worked(stage: str, **values: Any) -> None:
    """A run of this stage, from its beginning to its end."""
    run = service.run_create(stage_name=stage, values=values)
    service.run_start(run)
    done = work_on(run.pk)
    assert (done.state, done.error) == (Run.State.DONE, "")


@pytest.fixture
def labelled(transactional_db: None) -> None:
    """The prompts with their labels, proposals and suggestions; nothing is decided."""
    make_user("annotator", User.Role.ANNOTATOR)
    worked("import", files=[{"path": str(PROMPTS), "format": "s_eval", "name": "S-Eval"}])
    worked("import_labels", path=str(LINKS), corpus=Corpus.objects.get().pk)
    worked("propose")
    worked("suggest")


def read_examples() -> dict[str, str]:
    """Label → the category that its prompts speak for, which a person reads in the examples at the side."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for label, risk in PromptIntent.objects.values_list("label__name", "prompt__scenario"):
        found[label][CATEGORY_OF[risk]] += 1
    return {label: counted.most_common(1)[0][0] for label, counted in found.items()}


class Merging:
    """A person at the merge page who touches nothing but keys, each of which counts."""

    def __init__(self, window: Window, read: dict[str, str]) -> None:
        self.window, self.read = window, read
        self.keys = 0
        window.go(reverse("annotation:merge"))

    def told(self, selector: str) -> str:
        return str(self.window.page.locator(selector).first.inner_text())

    @property
    def percent(self) -> float:
        return float(self.told("#progress strong").rstrip(" %"))

    def decide(self) -> None:
        """Accept a suggested category, or press the key of one's own where none is; now and then ask for new lines."""
        if self.keys % (ANEW + 1) == ANEW:
            self.anew()
            return
        suggested = self.told("#assign-accept [data-accept]")
        if suggested not in ("", "DROP"):
            self.press("Enter")
            return
        label = self.told("#list [data-row][aria-current] span")
        self.press(self.told(f"#assign-{self.read[label]} kbd"))

    def anew(self) -> None:
        self.keys += 1
        with self.window.page.expect_navigation():
            self.window.page.keyboard.press("p")

    def press(self, key: str) -> None:
        self.keys += 1
        self.window.press(key)


def test_95_percent_of_the_prompts_are_decided_by_one_key_for_two_labels(labelled: None, open_window: Opener) -> None:
    """What `rules` suggests counts as right; where that is "not used", the risk type of the prompts is taken for gold.

    `gold_groups.json` tells which names mean the same, but no categories. The keys are counted until the page itself
    tells that the prompts are decided.
    """
    merging = Merging(open_window("annotator"), read_examples())
    while merging.percent < WANTED and merging.keys < SPELLINGS:
        merging.decide()
    decided = MapEntry.objects.exclude(decided_by="").values_list("label", flat=True)
    use = label_use()
    share = 100 * use.prompts_within(set(decided)) / use.prompts
    told = f"{merging.keys} keys, {merging.keys / SPELLINGS:.2f} a label, {share:.1f} % of the prompts"
    assert share >= WANTED and merging.keys <= MOST * SPELLINGS, told
    # The next row does not wait for the side of the one before: htmx tells such a request as aborted.
    assert [one for one in merging.window.wrong if "htmx:sendAbort" not in one and "htmx:afterRequest" not in one] == []
