"""The pages of map versions: list, one version, changes, files, and the choice of labelling runs."""

from __future__ import annotations

import pytest
from django.urls import reverse

from annotation.models import MergeMap
from madsafe_web.core.models import AuditEvent, User
from tests.factories import Person, make_label, make_map, make_prompts, make_run, make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead() -> Person:
    return sign_in(make_user("lead", User.Role.LEAD))


def page(person: Person, name: str, *args: object, **query: object) -> str:
    answer = person.get(reverse(f"annotation:{name}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_a_version_the_list_says_how_one_comes_about(lead: Person) -> None:
    assert "No version yet" in page(lead, "maps")


def test_the_list_names_the_versions_with_what_they_decide(lead: Person) -> None:
    make_map({make_label("fraud", make_prompts(1)): "CIA"}, published=True)
    assert "1 of 1" in page(lead, "maps")


def test_the_list_costs_the_same_for_many(lead: Person, django_assert_max_num_queries: object) -> None:
    label = make_label("fraud", make_prompts(1))
    for code in ("CIA", "PP", "OFF"):
        make_map({label: code}, published=True)
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        page(lead, "maps")


def test_a_version_shows_its_labels_and_finds_some(lead: Person) -> None:
    prompts = make_prompts(1)
    make_map({make_label("fraud", prompts): "CIA", make_label("theft", prompts): "PP"}, published=True)
    assert "fraud" in page(lead, "map", 1)
    assert "theft" not in page(lead, "map", 1, q="fra")


def test_a_draft_is_compared_with_its_parent(lead: Person) -> None:
    label = make_label("fraud", make_prompts(2))
    make_map({label: "CIA"}, published=True)
    make_map({label: "PP"})
    assert "1 labels changed, which 2 prompts carry." in page(lead, "map-changes", 2)


def test_a_version_is_had_as_a_file_and_that_is_an_event(lead: Person) -> None:
    make_map({make_label("fraud", make_prompts(1)): "CIA"}, published=True)
    answer = lead.post(reverse("annotation:map-file", args=[1, "csv"]))
    assert b"fraud,fraud,CIA" in b"".join(answer)  # type: ignore[arg-type]
    assert AuditEvent.objects.filter(verb="map.export").count() == 1


def test_a_lead_chooses_the_labelling_runs_of_a_draft(lead: Person) -> None:
    prompts, runs = make_prompts(2), (make_run(), make_run())
    for prompt, run in zip(prompts, runs, strict=True):
        make_label("fraud", [prompt], run)
    make_map()
    lead.post(reverse("annotation:map-runs", args=[1]), {"runs": [runs[1].pk]})
    draft = MergeMap.objects.get()
    assert (draft.runs, draft.runs_left) == ([runs[1].pk], [runs[0].pk])


def test_no_run_is_no_choice(lead: Person) -> None:
    run = make_run()
    make_label("fraud", make_prompts(1), run)
    make_map()
    lead.post(reverse("annotation:map-runs", args=[1]), {})
    assert MergeMap.objects.get().runs == [run.pk]
