"""Versions of the taxonomy, and what becomes of the draft, of rules and of guidelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from annotation.merge.deciding import labels_decide, step_undo
from annotation.merge.drafts import map_draft_open, map_publish
from annotation.merge.operations import Verb
from annotation.merge.states import Decision, StaleDecision
from annotation.models import LabelRule, MapEntry, MergeMap, Taxonomy
from annotation.pages.labels import suggestions
from annotation.selectors import (
    categories,
    categories_of,
    guideline_of,
    guideline_versions,
    suggestions_newest,
    taxonomy_newest,
)
from annotation.taxonomies import (
    TaxonomyMoved,
    TaxonomyRefused,
    guideline_write,
    rows_of,
    taxonomy_json,
    taxonomy_make,
    taxonomy_read,
)
from annotation.taxonomy import SHIPPED, CategoryRow, rows_sha256
from madsafe_web.core.models import AuditEvent
from madsafe_web.core.runs.errors import StageError
from tests.annotation.taxonomies import THREE, shipped_with, three
from tests.factories import make_label, make_map, make_prompts, make_suggestion, make_user

pytestmark = pytest.mark.django_db


def targets(merge_map: MergeMap) -> dict[str, str]:
    """Label → its target by a map, whose categories must all be of the map's taxonomy."""
    entries = merge_map.entries.select_related("label", "category")
    assert {one.category.taxonomy_id for one in entries if one.category} <= {merge_map.taxonomy_id}
    return {one.label.name: one.category.code if one.category else "" for one in entries}


def drafted(**decisions: str) -> MergeMap:
    prompts = make_prompts(len(decisions))
    labels = {make_label(name, [one]): code for (name, code), one in zip(decisions.items(), prompts, strict=True)}
    return make_map(labels)


def test_the_shipped_taxonomy_is_the_first_version_with_its_hash() -> None:
    first = taxonomy_newest()
    assert (first.version, first.sha256) == (1, rows_sha256(SHIPPED))
    assert rows_of(first) == list(SHIPPED)


def test_a_taxonomy_is_the_next_version_and_the_old_one_stays() -> None:
    lead = make_user("lead", "lead")
    made = taxonomy_make(user=lead, name="Ours", note="because", rows=THREE)
    assert (made.version, made.parent, made.author) == (2, Taxonomy.objects.get(version=1), lead)
    assert made.sha256 == rows_sha256(THREE)
    assert [one.code for one in categories()] == ["LAW", "OFF", "ELSE"]
    assert [one.position for one in categories()] == [1, 2, 3]
    assert categories(made.parent).count() == 14
    assert AuditEvent.objects.filter(verb="taxonomy.make").count() == 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "1 to 24"),
        ([replace(THREE[0], code=f"A{n}") for n in range(25)], "1 to 24"),
        ([THREE[0], THREE[0]], "twice"),
        ([replace(THREE[0], code="law")], "no code"),
        ([replace(THREE[0], code="A")], "no code"),
        ([replace(THREE[0], code="DROP")], "no code"),
        ([replace(THREE[0], code="NONE")], "no code"),
        ([replace(THREE[0], name_zh=" ")], "name"),
        ([replace(THREE[0], definition_en="")], "definition"),
        ([replace(THREE[0], examples_zh="长" * 2001)], "longer"),
        (list(SHIPPED), "Nothing is different"),
    ],
    ids=["none", "25", "twice", "small", "short", "drop", "none-word", "name", "definition", "long", "equal"],
)
def test_what_is_no_taxonomy_is_refused(rows: Sequence[CategoryRow], told: str) -> None:
    with pytest.raises(TaxonomyRefused, match=told):
        taxonomy_make(user=None, name="Ours", rows=rows)
    assert Taxonomy.objects.count() == 1


@pytest.mark.parametrize("field", ["name", "note"])
def test_a_taxonomy_that_says_nul_is_refused(field: str) -> None:
    with pytest.raises(TaxonomyRefused, match="no text can hold"):
        taxonomy_make(user=None, rows=THREE, **{"name": "Ours", "note": "", field: "a\0b"})


def test_an_edit_of_an_older_version_is_refused() -> None:
    first = taxonomy_newest()
    three()
    with pytest.raises(TaxonomyMoved):
        taxonomy_make(user=None, name="Ours", rows=shipped_with("OFF", name_en="Rude"), parent=first)


def test_the_draft_goes_on_with_the_new_codes_in_one_step() -> None:
    draft = drafted(a="OFF", b="CIA", c="PP", d="DROP", e="")
    lead = make_user("lead", "lead")
    made = three(user=lead, renamed={"CIA": "LAW"})
    draft.refresh_from_db()
    assert draft.taxonomy == made
    assert targets(draft) == {"a": "OFF", "b": "LAW", "c": "", "d": "", "e": ""}
    step = draft.operations.latest("id")
    assert (step.verb, step.actor, step.changes.count()) == (Verb.APPLY, lead, 2)
    gone = draft.entries.get(label__name="c")
    assert (gone.decided_by, gone.revision) == ("", 2)
    assert draft.entries.get(label__name="a").revision == 1


def test_two_categories_may_become_one() -> None:
    draft = drafted(a="CIA", b="DT")
    three(renamed={"CIA": "LAW", "DT": "LAW"})
    draft.refresh_from_db()
    assert targets(draft) == {"a": "LAW", "b": "LAW"}


@pytest.mark.parametrize("renamed", [{"XX": "LAW"}, {"OFF": "LAW"}, {"CIA": "XX"}], ids=["no-old", "kept", "no-new"])
def test_a_rename_that_cannot_be_is_refused(renamed: dict[str, str]) -> None:
    with pytest.raises(TaxonomyRefused, match="cannot become"):
        three(renamed=renamed)


def test_a_published_map_stays_and_the_next_draft_has_the_new_taxonomy() -> None:
    draft = drafted(a="OFF", b="CIA")
    published = map_publish(draft, None)
    three()
    published.refresh_from_db()
    assert targets(published) == {"a": "OFF", "b": "CIA"}
    assert list(categories_of(published)) == [row.code for row in SHIPPED]
    assert targets(map_draft_open()) == {"a": "OFF", "b": ""}


def test_a_step_before_the_taxonomy_cannot_bring_a_code_back_that_went() -> None:
    lead = make_user("lead", "lead")
    draft = drafted(a="CIA")
    entry = draft.entries.get(label__name="a")
    labels_decide(user=lead, seen={entry.label_id: entry.revision}, decision=Decision("OFF"))
    three()
    with pytest.raises(StaleDecision):
        step_undo(user=lead, draft=MergeMap.objects.get(pk=draft.pk))


def test_a_decision_for_a_code_that_went_is_refused() -> None:
    draft = drafted(a="")
    three()
    entry = draft.entries.get(label__name="a")
    with pytest.raises(StageError, match="no category CIA"):
        labels_decide(user=None, seen={entry.label_id: entry.revision}, decision=Decision("CIA"))


def test_a_rule_follows_a_new_code_and_falls_with_one_that_went() -> None:
    draft = drafted(a="CIA", b="PP")
    step = draft.operations.earliest("id")
    kept = LabelRule.objects.create(keyer="k", key="a", target="CIA", operation=step)
    gone = LabelRule.objects.create(keyer="k", key="b", target="PP", operation=step)
    three(renamed={"CIA": "LAW"})
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (kept.target, kept.standing, gone.standing) == ("LAW", True, False)


def test_only_suggestions_of_codes_that_there_still_are_can_be_taken() -> None:
    labels = [make_label(name, [one]) for name, one in zip("ab", make_prompts(2), strict=True)]
    make_suggestion(labels[0], "OFF")
    make_suggestion(labels[1], "CIA")
    three()
    assert set(suggestions_newest()) == set(suggestions()) == {labels[0].pk}


def test_a_file_of_a_taxonomy_reads_as_it_was_written() -> None:
    made = three(note="why")
    assert taxonomy_read(taxonomy_json(made)) == ("Ours", "why", list(THREE))


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"categories": [1]}', b'{"name": 1, "categories": []}'],
    ids=["json", "list", "row", "name"],
)
def test_another_kind_of_file_is_refused(content: bytes) -> None:
    with pytest.raises(TaxonomyRefused):
        taxonomy_read(content)


def test_a_guideline_has_versions_and_goes_on_with_its_code() -> None:
    lead = make_user("lead", "lead")
    category = categories().get(code="OFF")
    guideline_write(user=lead, category=category, text_en="one", text_zh="一")
    guideline_write(user=lead, category=category, text_en="two", text_zh="二")
    three()
    found = guideline_of("OFF")
    assert found and (found.version, found.text_en, found.author) == (2, "two", lead)
    assert found.category.taxonomy.version == 2
    guideline_write(user=lead, category=categories().get(code="OFF"), text_en="three", text_zh="三")
    assert [one.version for one in guideline_versions("OFF")] == [1, 2, 3]


def test_a_guideline_of_a_code_that_is_written_anew_follows_it() -> None:
    guideline_write(user=None, category=categories().get(code="CIA"), text_en="one", text_zh="一")
    three(renamed={"CIA": "LAW"})
    found = guideline_of("LAW")
    assert found and found.text_en == "one"


def test_an_equal_guideline_and_one_of_an_old_taxonomy_are_refused() -> None:
    category = categories().get(code="OFF")
    with pytest.raises(TaxonomyRefused, match="Nothing"):
        guideline_write(user=None, category=category, text_en="", text_zh="")
    three()
    with pytest.raises(TaxonomyRefused, match="older"):
        guideline_write(user=None, category=category, text_en="one", text_zh="一")


def test_a_taxonomy_that_is_longer_than_the_colours_gives_neutral_ones() -> None:
    rows = [*SHIPPED, replace(THREE[0], code="XTRA")]
    taxonomy_make(user=None, name="Ours", rows=rows)
    last = categories().get(code="XTRA")
    assert (last.colour, last.token) == ("none", "@--line-strong")
    assert MapEntry.objects.count() == 0
