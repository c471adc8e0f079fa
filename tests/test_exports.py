"""Whatever leaves as a table opens as text in a spreadsheet, and as a file in a browser."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from annotation.models import IntentLabel, PromptIntent
from madsafe_web.core.audit import audit
from madsafe_web.core.charts.parts import Table
from madsafe_web.core.textio import csv_line
from tests.evaluation.test_results import evaluated
from tests.factories import Person, make_corpus, make_prompt, make_run

MARKS = ("=", "+", "-", "@", "\t", "\r")
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")


def cells(line: str) -> list[str]:
    return next(csv.reader(io.StringIO(line, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_looks_like_a_formula_gets_a_quote_in_front(text: str) -> None:
    assert cells(csv_line([text])) == [f"'{text}"]


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert csv_line([-1, -0.5, None, "a", 'say "x"']) == '-1,-0.5,,a,"say ""x"""\r\n'


def test_a_chart_and_its_columns_go_the_same_way() -> None:
    assert Table(("=a", "n"), (("@b", -2),)).to_csv() == "'=a,n\r\n'@b,-2\r\n"


def all_cells(content: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(content.decode(), newline="")) for cell in row]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.django_db
def test_no_file_that_a_page_gives_holds_a_formula(lead: Person, admin: Person) -> None:
    run = make_run()
    prompt = make_prompt("a prompt", make_corpus("=corpus"), scenario="@scenario")
    for number, text in enumerate(FORMULAS):
        label = IntentLabel.objects.create(key=f"k{number}", name=text, language="en")
        PromptIntent.objects.create(prompt=prompt, label=label, run=run, position=number)
        audit(None, "run.start", text, text=text)
    evaluated("new_safety", [("OFF", "unsafe", "safe")])
    figures = lead.get("/distributions/").context["figures"]
    assert figures
    answers: list[Any] = [lead.get(figure.csv_url) for figure in figures]
    answers += [lead.post("/results/new_safety/csv/"), admin.post("/audit/export/", {"format": "csv"})]
    for answer in answers:
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        found = all_cells(b"".join(answer))
        assert found and not [
            cell for cell in found if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not is_number(cell)
        ]
