"""The page that shows what publishing would change."""

from __future__ import annotations

from typing import Any

import pytest

from annotation.merge.deciding import labels_theme
from annotation.models import IntentLabel, MapEntry
from annotation.pages import publishing
from madsafe_web.core.models import Run
from tests.annotation.merge_steps import seen
from tests.factories import Person, make_label, make_map, make_prompts, make_run
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PAGE = "/labels/publish/"
NAMES = ("moved", "dropped", "taken", "same", "open")


@pytest.fixture
def labels(db: None) -> dict[str, IntentLabel]:
    """Labels on 5, 4, 3, 2 and 1 prompts; all but "open" are decided in the published map."""
    prompts = make_prompts(5)
    made = {name: make_label(name, prompts[: 5 - place]) for place, name in enumerate(NAMES)}
    make_map({made[name]: "CIA" for name in NAMES[:4]}, published=True)
    return made


def kinds(context: Any) -> dict[str, tuple[int, int]]:
    return {str(one["name"]): (one["labels"], one["prompts"]) for one in context["kinds"]}


def test_the_page_tells_what_moved_was_dropped_and_lost_its_decision(
    lead: Person, labels: dict[str, IntentLabel]
) -> None:
    make_map({labels["moved"]: "EM", labels["dropped"]: "DROP", labels["taken"]: "", labels["open"]: "PP"})
    context = lead.get(PAGE).context
    assert kinds(context) == {
        "decided": (1, 1),
        "moved": (1, 5),
        "no longer used": (1, 4),
        "undecided again": (1, 3),
    }
    assert context["moved"] == {"labels": 4, "prompts": 5}
    assert context["left"] == {"labels": 1, "prompts": 3, "waiting": 0, "conflicts": 0}


def test_another_common_name_is_no_other_category(lead: Person, labels: dict[str, IntentLabel]) -> None:
    draft = make_map()
    labels_theme(user=lead.user, seen=seen(draft, "same"), theme="a name")
    context = lead.get(PAGE).context
    assert kinds(context) == {"other common name": (1, 2)}
    assert context["moved"] == {"labels": 0, "prompts": 0}


def test_a_long_list_is_cut_and_says_so(
    lead: Person, labels: dict[str, IntentLabel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "MOST_ROWS", 2)
    make_map({labels[name]: "EM" for name in NAMES[:4]})
    page = lead.get(PAGE)
    assert [row.name for row in page.context["rows"]] == ["moved", "dropped"]
    assert "2 of 4 labels shown, those with the most prompts first." in page.text


def test_labels_that_wait_for_somebody_are_told(lead: Person, labels: dict[str, IntentLabel]) -> None:
    draft = make_map()
    draft.entries.filter(label=labels["open"]).update(second=MapEntry.Second.CONFLICT)
    draft.entries.filter(label=labels["same"]).update(second=MapEntry.Second.WAITING)
    text = lead.get(PAGE).text
    assert "About 1 label two people disagree." in text and "1 label waits for a second person." in text


def test_while_a_merge_run_waits_it_is_finished_there(lead: Person, labels: dict[str, IntentLabel]) -> None:
    make_map()
    make_run("merge", Run.State.NEEDS_PEOPLE, params={"decide": "people", "leave_undecided": 0})
    text = lead.get(PAGE).text
    assert 'action="/labels/finish/"' in text and 'action="/labels/publish/"' not in text


def test_without_a_draft_there_is_nothing_to_publish(lead: Person, labels: dict[str, IntentLabel]) -> None:
    assert "There is no draft" in lead.get(PAGE).text


def test_a_first_version_is_all_new(lead: Person) -> None:
    make_map({make_label("one", make_prompts(1)): "CIA"})
    assert kinds(lead.get(PAGE).context) == {"new label": (1, 1)}


def test_more_changes_cost_no_more_queries(lead: Person, labels: dict[str, IntentLabel]) -> None:
    make_map({labels["moved"]: "EM"})
    lead.get(PAGE)
    few = query_count(lambda: lead.get(PAGE))
    make_map({labels[name]: "EM" for name in NAMES[1:]})
    assert query_count(lambda: lead.get(PAGE)) == few


def test_a_draft_that_changed_since_it_was_looked_at_is_shown_anew_and_not_published(
    lead: Person, labels: dict[str, IntentLabel]
) -> None:
    draft = make_map({labels["moved"]: "EM"})
    looked_at = lead.get(PAGE).context["seen"]
    make_map({labels["open"]: "PP"})
    response = lead.post(PAGE, {"map": draft.pk, "seen": looked_at})
    draft.refresh_from_db()
    assert (response.status_code, draft.state) == (409, "draft")
    assert kinds(response.context) == {"decided": (1, 1), "moved": (1, 5)}
    assert lead.post(PAGE, {"map": draft.pk, "seen": response.context["seen"]}).status_code == 302
