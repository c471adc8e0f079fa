"""The pages of the taxonomy and of guidelines, and its command."""

from __future__ import annotations

from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from annotation.models import Taxonomy
from annotation.selectors import categories, guideline_of, taxonomy_newest
from annotation.taxonomies import taxonomy_json
from tests.annotation.taxonomies import THREE, three
from tests.factories import make_user, sign_in

pytestmark = pytest.mark.django_db
EDIT = "/taxonomy/edit/"


def sent(**values: Any) -> dict[str, Any]:
    """The form with three categories, the middle one under a new code."""
    rows = [asdict(row) for row in THREE]
    columns = {f"row-{name}": [row[name] for row in rows] for name in rows[0]}
    return {"parent": taxonomy_newest().pk, "name": "Ours", "was": ["CIA", "OFF", ""], **columns, **values}


def test_everybody_reads_the_categories_in_as_few_queries_however_many(django_assert_max_num_queries: Any) -> None:
    person = sign_in(make_user())
    with django_assert_max_num_queries(12):
        page = person.get(reverse("annotation:taxonomy")).content.decode()
    assert "Asking how a law is enforced belongs here only if" in page
    assert 'href="/taxonomy/edit/"' not in page


def test_an_older_version_is_shown_as_it_was() -> None:
    three()
    page = sign_in(make_user()).get("/taxonomy/?version=1").content.decode()
    assert "Crimes and illegal activities" in page
    assert "Against the law" not in page


def test_a_lead_saves_the_next_version_and_a_code_written_anew_is_told() -> None:
    answer = sign_in(make_user("lead", "lead")).post(EDIT, sent(note="why"))
    assert answer.status_code == 302
    assert (taxonomy_newest().version, taxonomy_newest().note) == (2, "why")
    assert [row.code for row in categories()] == ["LAW", "OFF", "ELSE"]


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        ("up:1", ["OFF", "LAW", "ELSE"]),
        ("down:1", ["LAW", "ELSE", "OFF"]),
        ("remove:0", ["OFF", "ELSE"]),
        ("add", ["LAW", "OFF", "ELSE", ""]),
        ("up:0", ["LAW", "OFF", "ELSE"]),
        ("up:x", ["LAW", "OFF", "ELSE"]),
    ],
)
def test_a_button_changes_the_rows_and_saves_nothing(step: str, codes: list[str]) -> None:
    answer = sign_in(make_user("lead", "lead")).post(EDIT, sent(step=step))
    assert [row["code"] for row in answer.context["rows"]] == codes
    assert Taxonomy.objects.count() == 1


def test_what_cannot_be_saved_is_said_and_what_was_written_stays() -> None:
    codes = ["LAW", "LAW", "ELSE"]
    answer = sign_in(make_user("lead", "lead")).post(EDIT, sent(**{"row-code": codes}))
    assert answer.status_code == 422
    assert "The code LAW is there twice." in answer.content.decode()
    assert [row["code"] for row in answer.context["rows"]] == codes


def test_an_edit_of_a_version_that_is_not_the_newest_any_more_is_a_conflict() -> None:
    form = sent(**{"row-name_en": ["One", "Two", "Three"]})
    three()
    assert sign_in(make_user("lead", "lead")).post(EDIT, form).status_code == 409


def test_a_file_is_shown_in_the_form_before_it_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    file.write_bytes(taxonomy_json(three()))
    lead = sign_in(make_user("lead", "lead"))
    with file.open("rb") as content:
        answer = lead.post(reverse("annotation:taxonomy-import"), {"file": content})
    assert [row["code"] for row in answer.context["rows"]] == ["LAW", "OFF", "ELSE"]
    assert Taxonomy.objects.count() == 2


def test_two_versions_are_compared() -> None:
    three()
    page = sign_in(make_user()).get("/taxonomy/diff/?old=1&new=2").content.decode()
    assert "is-added" in page
    assert "is-removed" in page


def test_a_guideline_is_written_and_stands_beside_the_work() -> None:
    lead = sign_in(make_user("lead", "lead"))
    answer = lead.post("/taxonomy/OFF/guideline/edit/", {"text_en": "Read <b>all</b>.", "text_zh": "先读完。"})
    assert answer.status_code == 302
    found = guideline_of("OFF")
    assert found and found.version == 1
    aside = lead.get("/taxonomy/OFF/guideline/", headers={"HX-Request": "true"}).content.decode()
    assert "Read &lt;b&gt;all&lt;/b&gt;." in aside
    assert "<html" not in aside


def test_a_code_that_there_is_not_has_no_guideline() -> None:
    assert sign_in(make_user()).get("/taxonomy/XX/guideline/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_command_writes_and_reads_a_file(tmp_path: Path) -> None:
    file, told = tmp_path / "t.json", StringIO()
    three()
    call_command("taxonomy", "export", str(file))
    call_command("taxonomy", "export", str(tmp_path / "first.json"), version_number=1)
    call_command("taxonomy", "import", str(tmp_path / "first.json"), rename=["LAW=CIA"], stdout=told)
    assert "Version 3" in told.getvalue()
    call_command("taxonomy", "show", stdout=told)
    assert "Insult and offensiveness" in told.getvalue()
