"""What providers refused, as a share by stage, by run and by category."""

from __future__ import annotations

import pytest
from django.urls import reverse

from annotation.models import Prompt
from evaluation import refused as evaluation_refused
from evaluation.models import Item
from madsafe_web.core.models import Run
from madsafe_web.core.runs import refused_pages
from madsafe_web.core.runs.refused_pages import Line
from tests.evaluation.test_results import evaluated
from tests.factories import Person, make_label, make_map, make_prompts, make_run

pytestmark = pytest.mark.django_db


def ran(prompts: list[Prompt], refused: int, answered: int, stage: str = "label") -> Run:
    """A run over the prompts; the first ones were refused for good, the next ones answered by a fallback."""
    run = make_run(stage)
    run.chunks.create(seq=0, subjects=[], read=len(prompts), kept=len(prompts) - refused, failed=refused)
    for place, prompt in enumerate(prompts):
        subject = str(prompt.pk)
        run.rows.create(subject=subject, outcome="provider_refused" if place < refused else "done")
        if place < refused + answered:
            by = "" if place < refused else "second"
            run.trails.create(subject=subject, refused_by="first", answered_by=by)
    return run


@pytest.fixture
def run(db: None) -> Run:
    """Six prompts, two in each of two categories and two in none; one refused, two answered by a fallback."""
    prompts = make_prompts(6)
    make_map({make_label("one", prompts[:2]): "OFF", make_label("two", prompts[2:4]): "UB"}, published=True)
    return ran(prompts, refused=1, answered=2)


def lines(found: list[Line]) -> list[tuple[str, int | None, int, int]]:
    return [(line.name.partition(" ")[0], line.rows, line.refused, line.answered) for line in found]


def test_the_categories_of_a_run_come_with_their_rows_and_refusals(run: Run) -> None:
    assert lines(refused_pages.by_category(run)) == [("OFF", 2, 1, 1), ("UB", 2, 0, 1), ("", 2, 0, 0)]
    assert [line.share for line in refused_pages.by_category(run)] == [100.0, 50.0, 0.0]


def test_a_row_whose_fallback_failed_is_refused_in_its_category(run: Run) -> None:
    last = run.rows.order_by("pk").last()
    assert last
    run.trails.create(subject=last.subject, refused_by="first")
    run.rows.filter(pk=last.pk).update(outcome="error")
    assert lines(refused_pages.by_category(run)) == [("OFF", 2, 1, 1), ("", 2, 1, 0), ("UB", 2, 0, 1)]


def test_the_rows_of_a_very_large_run_are_not_counted_by_category(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_pages, "MOST_ROWS", 6)
    assert lines(refused_pages.by_category(run)) == [("OFF", None, 1, 1), ("UB", None, 0, 1)]
    assert refused_pages.by_category(run)[0].share is None


@pytest.mark.parametrize(("refused", "answered"), [(3, 0), (0, 3)])
def test_of_a_run_with_very_much_refused_no_row_is_read(
    annotator: Person, monkeypatch: pytest.MonkeyPatch, refused: int, answered: int
) -> None:
    found = ran(make_prompts(4), refused=refused, answered=answered)
    monkeypatch.setattr(refused_pages, "MOST_ROWS", 3)
    monkeypatch.setattr(refused_pages, "_spread", None)  # whoever reads them fails
    page = annotator.get(reverse("runs:refused", args=[found.pk])).content.decode()
    assert "Too much was refused to be counted by category" in page and "75.00 %" in page


def test_runs_are_listed_with_what_was_refused_of_them(run: Run) -> None:
    ran(list(Prompt.objects.all()), refused=0, answered=0)
    (line,) = refused_pages.by_run(Run.objects.all())
    assert (line.run, line.rows, line.refused, line.answered, line.share) == (run.pk, 6, 1, 2, 50.0)


def test_the_share_of_a_stage_is_that_of_all_its_runs(run: Run) -> None:
    ran(list(Prompt.objects.all()), refused=0, answered=0)
    (line,) = refused_pages.by_stage(Run.objects.all(), refused_pages.by_run(Run.objects.all()))
    assert (line.rows, line.refused, line.answered, line.share) == (12, 1, 2, 25.0)


def test_labels_are_in_the_category_that_the_map_puts_them_into(run: Run) -> None:
    label = make_label("one")
    found = make_run("suggest")
    found.chunks.create(seq=0, subjects=[], read=1, failed=1)
    found.rows.create(subject=str(label.pk), outcome="provider_refused")
    assert lines(refused_pages.by_category(found)) == [("OFF", 1, 1, 0)]


def test_generated_prompts_are_in_the_category_that_they_are_for(taxonomy: None) -> None:
    found = make_run("augment_keyword")
    found.rows.create(subject="UB:3:1", outcome="provider_refused")
    assert lines(refused_pages.by_category(found)) == [("UB", 1, 1, 0)]


def test_questions_are_in_the_category_of_their_benchmark(db: None) -> None:
    evaluated("new_safety", [("OFF", "unsafe", "safe")])
    item = Item.objects.all()[0]
    assert evaluation_refused.of_items([f"7:{item.pk}", "7:x"])[f"7:{item.pk}"].startswith("OFF")


def test_without_a_published_map_prompts_have_no_category() -> None:
    run = ran(make_prompts(2), refused=1, answered=0)
    assert lines(refused_pages.by_category(run)) == [("", 2, 1, 0)]


def test_the_pages_show_it_to_everybody(annotator: Person, run: Run) -> None:
    all_runs = annotator.get(reverse("runs:refusals")).content.decode()
    assert reverse("runs:refused", args=[run.pk]) in all_runs and "50.00 %" in all_runs
    assert "100.00 %" in annotator.get(reverse("runs:refused", args=[run.pk])).content.decode()


def test_rows_that_nobody_counted_are_shown_as_a_dash(
    annotator: Person, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_pages, "MOST_ROWS", 6)
    page = annotator.get(reverse("runs:refused", args=[run.pk])).content.decode()
    assert '<td class="num">–</td>' in page and ">None<" not in page


def test_where_nothing_was_refused_the_page_says_so(annotator: Person) -> None:
    assert "Nothing was refused" in annotator.get(reverse("runs:refusals")).content.decode()
    assert "Nothing was refused" in annotator.get(reverse("runs:refused", args=[make_run().pk])).content.decode()
