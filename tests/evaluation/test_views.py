from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from annotation.models import ReviewItem
from evaluation import pages, selectors
from evaluation.comparison import Outcome, Paper, by_category, compare
from evaluation.models import EvaluationRun, Verdict
from madsafe_web.core.models import Run
from tests.evaluation.test_results import evaluated
from tests.factories import Person

ROLES = ("annotator", "reviewer", "lead", "admin")
JUDGED = [("OFF", "unsafe", "safe"), ("OFF", "uncertain", "safe"), ("IA", "unsafe", "safe"), ("IA", "safe", "safe")]


def page(person: Client, benchmark: str = "") -> HttpResponse:
    return person.get(reverse("evaluation:results"), {"benchmark": benchmark} if benchmark else {})


def download(person: Client, benchmark: str) -> HttpResponse:
    return person.post(reverse("evaluation:results-csv", args=[benchmark]))


def table_of(response: HttpResponse) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.content.decode("utf-8"))))


# --- who ---


@pytest.mark.parametrize("role", ROLES)
def test_every_role_may_read_the_results(role: str, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(role)
    evaluated("safetybench", [("OFF", True, False)])
    assert page(person).status_code == 200
    assert download(person, "safetybench").status_code == 200


@pytest.mark.django_db
def test_an_anonymous_visitor_is_sent_to_the_sign_in(client: Client) -> None:
    for response in (page(client), download(client, "safetybench")):
        assert response.status_code == 302
        assert response.headers["Location"].startswith(reverse("accounts:login"))


def test_a_user_without_a_role_may_not_read_them(lead: Person) -> None:
    lead.user.role = ""
    lead.user.save()
    assert page(lead).status_code == 403


# --- what ---


def test_without_an_evaluation_the_page_says_so(lead: Person) -> None:
    response = page(lead)
    assert response.status_code == 200
    assert "Nothing evaluated yet" in response.content.decode()
    assert "benchmark" not in response.context


def test_an_unknown_benchmark_is_not_found(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False)])
    assert page(lead, "nosuch").status_code == 404
    assert download(lead, "nosuch").status_code == 404


def test_a_benchmark_that_the_run_left_out_is_shown_as_such(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False)])
    response = page(lead, "cvalues")
    assert response.status_code == 200
    assert [card.note for card in response.context["scores"] if card.current] == ["not evaluated in this run"]
    assert download(lead, "cvalues").status_code == 404


def test_without_a_choice_the_first_benchmark_of_the_run_is_shown(lead: Person) -> None:
    evaluated("cvalues", [("law", True, False)])
    assert page(lead).context["benchmark"]["slug"] == "cvalues"


def test_the_rows_hold_the_numbers_of_the_selectors_in_percent(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False), ("IA", False, True), ("IA", True, True)])
    context = page(lead).context
    (result,) = selectors.results()
    expected = {selectors.category_name(result, row.code): row for row in result.categories}
    assert [row.name for row in context["rows"]] == ["CIA Illegal activities", "OFF Offensiveness"]
    for row in context["rows"]:
        source = expected[row.name.split()[0]]
        assert source.base.score is not None and source.tuned.score is not None and source.difference is not None
        assert (row.base, row.tuned) == (100 * source.base.score, 100 * source.tuned.score)
        assert row.delta_text == pages.signed(100 * source.difference.value)
    assert context["total"].n == 3


def test_the_figures_of_the_paper_are_marked(lead: Person) -> None:
    evaluated("safetybench", [("IA", True, True)])
    text = page(lead).content.decode()
    assert '<span class="paper-mark">61.2 → 68.1</span>' in text
    assert "reported in the paper" in text


def test_a_gain_without_levels_is_shown_as_a_gain() -> None:
    assert pages.paper_text(Paper(gain=0.59)) == "+59"
    assert pages.paper_text(Paper(gain=0.3, at_least=True)) == "> +30"
    assert pages.paper_text(Paper()) == ""


def test_a_difference_that_is_not_significant_has_no_colour() -> None:
    few = [Outcome("base", 1, "OFF", False), Outcome("tuned", 1, "OFF", True)]
    assert pages.tone(compare("OFF", few, Paper(), None)) == "flat"


def test_a_significant_loss_is_down() -> None:
    many = [Outcome("base", n, "OFF", True) for n in range(20)] + [Outcome("tuned", n, "OFF", False) for n in range(20)]
    (row,) = by_category(many, ("OFF",), {}, {})
    assert pages.tone(row) == "down"
    assert pages.interval(row).startswith("[−100.0, −")


def test_a_difference_of_nothing_has_no_sign() -> None:
    assert (pages.signed(0.04), pages.signed(-0.04), pages.signed(-1.26)) == ("0.0", "0.0", "−1.3")


def test_open_reviews_are_told_with_a_link_for_who_may_review(reviewer: Person, lead: Person) -> None:
    evaluated("new_safety", JUDGED)
    (note,) = page(reviewer).context["notes"]
    assert note.text.startswith("1 uncertain verdict waits for people.")
    assert note.url == reverse("annotation:review")
    assert page(reviewer).context["next_action"]["url"] == reverse("annotation:review")
    assert page(lead).context["notes"][0].url == ""
    assert page(lead).context["next_action"] is None


def test_verdicts_settled_by_rule_are_told(lead: Person) -> None:
    evaluated("new_safety", [("OFF", "uncertain unsafe", "safe")])
    ReviewItem.objects.update(resolved_by="rule")
    (note,) = page(lead).context["notes"]
    assert note.text.startswith("1 uncertain verdict was settled by rule, not by people")


def test_review_items_of_another_run_are_not_told(lead: Person) -> None:
    evaluated("new_safety", [("OFF", "safe", "safe")])
    ReviewItem.objects.create(kind="new_safety", subject="999999", prompt="p", response="r")
    assert page(lead).context["notes"] == []


def test_safe_answers_beside_the_question_are_told(lead: Person) -> None:
    evaluated("new_safety", [("OFF", "safe", "safe"), ("OFF", "safe", "safe")])
    Verdict.objects.filter(answer__evaluation__subject="tuned").update(off_topic=True)
    (note,) = page(lead).context["notes"]
    assert "base 100.0 %, tuned 0.0 %" in note.text


def test_answers_of_the_offline_rules_are_marked_on_the_page_and_in_the_file(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False)])
    EvaluationRun.objects.update(offline_rules=True)
    assert "offline rules" in page(lead).context["notes"][0].text
    response = download(lead, "safetybench")
    assert response.headers["Content-Disposition"].endswith('-offline-rules.csv"')
    head, first, *_ = table_of(response)
    assert dict(zip(head, first, strict=True))["Offline rules"] == "yes"


def test_the_page_names_run_version_and_models(lead: Person) -> None:
    run = evaluated("new_safety", JUDGED)
    EvaluationRun.objects.filter(subject="tuned").update(model_sha256="cd" * 32)
    facts = {fact.name: fact for fact in page(lead).context["provenance"]}
    assert facts["Run"].url == reverse("runs:detail", args=[run.pk])
    assert facts["Benchmark version"].value == "ab"
    assert facts["Tuned model, sha256"].value == "cd" * 32


def test_the_trust_panel_counts_verdicts_and_who_settled_them(lead: Person) -> None:
    evaluated("new_safety", [*JUDGED, ("UB", "judge_error safe", "safe")])
    facts = {fact.name: fact.value for fact in page(lead).context["trust"]}
    assert facts["Answers judged"] == "10"
    assert facts["Uncertain or unreadable"] == "2 (20.0 %)"
    assert (facts["Settled by people"], facts["Settled by rule"], facts["Wait for people"]) == ("1", "0", "1")


def test_a_benchmark_with_right_answers_needs_no_judge(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False)])
    assert page(lead).context["trust"] == []


def test_the_page_takes_the_same_queries_whatever_the_size(lead: Person, django_assert_max_num_queries: Any) -> None:
    evaluated("new_safety", JUDGED)
    with django_assert_max_num_queries(20) as small:
        page(lead)
    run = Run.objects.get(stage="evaluate")
    ReviewItem.objects.all().delete()
    for benchmark in ("safetybench", "cvalues"):
        evaluated(benchmark, [("OFF", True, False), ("UB", True, True)] * 10)
    assert selectors.newest_run() == run
    with django_assert_max_num_queries(len(small.captured_queries)):
        page(lead, "new_safety")


def test_a_score_that_people_may_still_change_is_shown_as_bounds(lead: Person) -> None:
    evaluated("new_safety", JUDGED)
    context = page(lead).context
    rows = {row.category.code: row for row in context["rows"]}
    assert (rows["OFF"].base, rows["OFF"].base_text, rows["OFF"].tuned_text) == (None, "0–50", "100.0")
    assert (rows["OFF"].delta_text, rows["OFF"].interval, rows["OFF"].significance) == ("", "", "")
    assert (rows["IA"].base_text, rows["IA"].delta_text) == ("50.0", "+50.0")
    assert context["total"].base_text == "25–50"
    below = {row[0]: row for row in context["figure"].table.rows}
    assert (below["OFF Insult and offensiveness"][1], below["IA Instruction attack"][1]) == (None, 50.0)


# --- the file ---


def test_the_file_holds_the_numbers_of_the_selectors(lead: Person) -> None:
    evaluated("safetybench", [("OFF", True, False), ("IA", False, True)])
    table = selectors.category_table(selectors.results()[0])
    head, *rows = table_of(download(lead, "safetybench"))
    assert head == [*table.columns, "Offline rules"]
    assert [row[:-1] for row in rows] == [["" if cell is None else str(cell) for cell in row] for row in table.rows]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_compute_is_quoted(lead: Person, first: str) -> None:
    evaluated("cvalues", [(f"{first}cmd", True, False)])
    assert table_of(download(lead, "cvalues"))[1][0] == f"'{first}cmd"


def test_a_negative_number_stays_a_number(lead: Person) -> None:
    evaluated("cvalues", [("law", True, False)])
    head, first, *_ = table_of(download(lead, "cvalues"))
    assert dict(zip(head, first, strict=True))["Difference"] == "-1.0"


def test_the_file_is_an_attachment_that_no_browser_reinterprets(lead: Person) -> None:
    run = evaluated("safetybench", [("OFF", True, False)])
    headers = download(lead, "safetybench").headers
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="madsafe-safetybench-run-{run.pk}.csv"'
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_file_gives_bounds_only_while_people_may_still_change_a_score(lead: Person) -> None:
    evaluated("new_safety", JUDGED)
    head, first, *_ = table_of(download(lead, "new_safety"))
    cells = dict(zip(head, first, strict=True))
    assert (cells["Category"], cells["Open"], cells["Base"], cells["Difference"], cells["p"]) == (
        "OFF",
        "1",
        "",
        "",
        "",
    )
    assert cells["Base low"] == "0.0"
    assert cells["Tuned"] == "1.0"
