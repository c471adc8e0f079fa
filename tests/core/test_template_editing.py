"""Edited prompt templates: what may be saved, what is recorded, which text a run renders."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from pytest_django import DjangoAssertNumQueries

from annotation.template_examples import examples
from madsafe_web.core.llm import templates, versions
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.editing import diffing, pages
from madsafe_web.core.llm.editing.services import NoSuchVersion, version_save, version_use
from madsafe_web.core.models import AuditEvent, Generation, PromptTemplate, Run, TemplateVersion
from madsafe_web.core.runs import service, worker
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import RowStage
from madsafe_web.core.runs.stages import stages
from tests.factories import Person, make_label, make_prompts, make_run, make_user

pytestmark = pytest.mark.django_db
NAME = "label.en"
TEXT = "You tag.\n---\nPrompt: {{ prompt }}\nLabels:"


def saved(text: str = TEXT, name: str = NAME, **values: Any) -> TemplateVersion:
    return version_save(user=None, name=name, text=text, **values)


def label_run() -> Run:
    run = service.run_create(stage_name="label", values={})
    assert service.run_start(run)
    return run


def test_versions_count_on_from_the_file() -> None:
    assert [saved().number, saved(TEXT + " now").number] == [1, 2]


def test_line_breaks_of_a_browser_make_no_other_text() -> None:
    assert saved(TEXT.replace("\n", "\r\n") + "\r\n").template.text == TEXT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Labels:", "missing: {{ prompt }}"),
        (TEXT + "{{ nonce }}", "No stage fills these places: {{ nonce }}"),
        (TEXT + "{{prompt}}", "Write a place as"),
        (TEXT + "}}", "Write a place as"),
        ("{{ prompt }}\n---\n ", "is empty"),
        (TEXT + "x" * 20_000, "longer than 20000"),
        (TEXT + "\0", "cannot be stored"),
    ],
)
def test_a_text_that_cannot_take_the_place_of_the_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        saved(text)
    assert said in " ".join(caught.value.message_dict["text"])
    assert not TemplateVersion.objects.exists()


def test_the_text_of_another_version_or_of_the_file_is_refused() -> None:
    saved()
    with pytest.raises(ValidationError, match="version 1"):
        saved()
    with pytest.raises(ValidationError, match="version 0"):
        saved(templates.load(NAME).text)


def test_two_templates_may_have_the_same_text() -> None:
    saved()
    assert saved(name="label.zh").number == 1 and PromptTemplate.objects.count() == 1


def test_saving_and_choosing_are_recorded_without_the_text() -> None:
    version = saved(note="shorter")
    assert version_use(user=None, name=NAME, number=1) and not version_use(user=None, name=NAME, number=1)
    first, second = AuditEvent.objects.order_by("sequence")
    assert (first.verb, first.facts) == ("template.save", {"number": 1, "sha256": version.template.sha256})
    assert (second.verb, second.facts["before"], second.facts["after"]) == ("template.use", 0, 1)


def test_a_version_that_does_not_exist_cannot_be_chosen() -> None:
    with pytest.raises(NoSuchVersion):
        version_use(user=None, name=NAME, number=3)


def test_at_most_one_version_is_in_use_and_the_file_can_be_chosen_again() -> None:
    saved()
    saved(TEXT + " now")
    for number in (1, 2):
        version_use(user=None, name=NAME, number=number)
    assert TemplateVersion.objects.get(in_use=True).number == 2
    version_use(user=None, name=NAME, number=0)
    assert versions.in_use([NAME])[NAME] == templates.load(NAME)


def test_a_run_renders_the_chosen_version_and_what_it_makes_carries_its_hash() -> None:
    make_prompts(3)
    sha = saved().template.sha256
    version_use(user=None, name=NAME, number=1)
    run = label_run()
    assert worker.work_on(run.pk).state == Run.State.DONE
    assert set(Generation.objects.values_list("template_sha", flat=True)) == {sha}
    assert run.templates[NAME] == sha and set(run.templates) == {"label.en", "label.zh"}


def test_a_choice_after_the_start_changes_nothing_for_the_run() -> None:
    make_prompts(3)
    run = label_run()
    saved()
    version_use(user=None, name=NAME, number=1)
    assert worker.work_on(run.pk).state == Run.State.DONE
    assert set(Generation.objects.values_list("template_sha", flat=True)) == {templates.load(NAME).sha256}


def test_another_file_after_the_start_changes_nothing_for_the_run() -> None:
    run = label_run()
    kept = PromptTemplate.objects.filter(sha256=run.templates[NAME])
    assert kept.get().text == templates.load(NAME).text
    assert versions.frozen(run)[NAME] == templates.load(NAME)


def test_a_run_whose_text_is_gone_says_so() -> None:
    with pytest.raises(StageError, match=NAME):
        versions.frozen(make_run(templates={NAME: "0" * 64}))


def test_the_texts_of_a_run_reach_what_its_thread_starts_in_a_loop() -> None:
    async def shas() -> str:
        return await asyncio.create_task(one())

    async def one() -> str:
        return templates.render(NAME, {"prompt": "x"}, Sampling()).template_sha

    chosen = templates.made(NAME, TEXT)
    with templates.using({NAME: chosen}):
        assert asyncio.run(shas()) == chosen.sha256
    assert asyncio.run(shas()) == templates.load(NAME).sha256


def test_every_row_stage_names_templates_that_exist() -> None:
    rendered = [one for one in stages().values() if isinstance(one, RowStage)]
    named = {family for one in rendered for family in one.templates}
    assert named == {name.partition(".")[0] for name in templates.names()}


def test_a_diff_marks_the_words_that_changed() -> None:
    lines = diffing.lines("same\none two three\ngone", "same\none 2 three")
    assert [(line.kind, line.old, line.new) for line in lines] == [
        ("same", 1, 1),
        ("removed", 2, 0),
        ("removed", 3, 0),
        ("added", 0, 2),
    ]
    assert [piece.text for piece in lines[1].pieces if piece.changed] == ["two"]
    assert [piece.text for piece in lines[3].pieces if piece.changed] == ["2"]


def test_a_diff_of_chinese_marks_single_characters() -> None:
    removed, added = diffing.lines("给出一个标签", "给出两个标签")
    assert [[piece.text for piece in line.pieces if piece.changed] for line in (removed, added)] == [["一"], ["两"]]


def test_a_line_of_very_many_words_stands_in_a_diff_as_a_whole() -> None:
    removed, added = diffing.lines("好" * 4000, "好" * 3999)
    assert (len(removed.pieces), len(added.pieces)) == (1, 1)


def test_of_very_many_lines_a_diff_finds_what_changed_between_their_ends() -> None:
    lines = diffing.lines("\n" * 4000 + "one" + "\n" * 4000, "\n" * 4000 + "two" + "\n" * 3999)
    assert [(line.kind, line.old, line.new) for line in lines if line.kind != "same"] == [
        ("removed", 4001, 0),
        ("removed", 4002, 0),
        ("added", 0, 4001),
    ]
    assert len(lines) == 8002


def test_the_pieces_of_a_diff_add_up_to_both_texts() -> None:
    old, new = templates.load("label.en").text, templates.load("label.zh").text
    lines = diffing.lines(old, new)
    for text, other in ((old, "added"), (new, "removed")):
        assert "\n".join("".join(p.text for p in line.pieces) for line in lines if line.kind != other) == text


def test_the_preview_fills_what_the_store_knows(lead: Person) -> None:
    prompt = make_prompts(2)[0]
    make_label("first label", [prompt])
    title, inputs = examples(lead.user, "en", [prompt.pk])[0]
    assert (title, inputs["prompt"], inputs["label"]) == (f"#{prompt.pk}", "prompt 1", "first label")
    shown = pages.rendered(lead.user, templates.load("response_safety.en"), [prompt.pk])
    assert "prompt 1" in shown[0].messages[-1].content and "…" in shown[0].messages[-1].content


def test_the_preview_shows_the_newest_prompts_of_the_language(lead: Person) -> None:
    make_prompts(7)
    assert len(examples(lead.user, "en", [])) == 5 and examples(lead.user, "zh", []) == []


def test_a_withdrawn_prompt_is_not_shown(lead: Person) -> None:
    prompt = make_prompts(1, state="withdrawn")[0]
    assert examples(lead.user, "en", [prompt.pk]) == []


# --- pages ---


def test_the_list_shows_every_template_and_what_is_in_use(annotator: Person) -> None:
    saved()
    version_use(user=None, name=NAME, number=1)
    page = annotator.get("/templates/")
    lines = {line.name: line for line in page.context["templates"]}
    assert len(lines) == 17 and (lines[NAME].versions, lines[NAME].in_use) == (2, 1)


def test_the_list_costs_the_same_whatever_the_number_of_versions(
    annotator: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        saved(f"{TEXT} {number}")
    with django_assert_num_queries(6):  # session, user, counts, in use, workers, steps of the method
        annotator.get("/templates/")


def test_the_page_of_a_template_costs_the_same_whatever_the_number_of_versions(
    annotator: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        saved(f"{TEXT} {number}")
    with django_assert_max_num_queries(11):
        page = annotator.get(f"/templates/{NAME}/")
    assert len(page.context["versions"]) == 50 and page.context["versions"][0].number == 60


def test_the_page_names_the_runs_that_used_a_version(annotator: Person) -> None:
    run = label_run()
    line = annotator.get(f"/templates/{NAME}/").context["versions"][-1]
    assert (line.number, line.runs, line.newest) == (0, 1, run.pk)


def test_a_lead_saves_a_version_and_chooses_it(lead: Person) -> None:
    assert lead.post(f"/templates/{NAME}/edit/", {"text": TEXT, "note": "n"}).status_code == 302
    version = TemplateVersion.objects.get()
    assert (version.author, version.note, version.in_use) == (lead.user, "n", False)
    assert lead.post(f"/templates/{NAME}/use/", {"number": "1"}).status_code == 302
    assert TemplateVersion.objects.get().in_use


def test_a_wrong_text_comes_back_with_what_is_wrong(lead: Person) -> None:
    page = lead.post(f"/templates/{NAME}/edit/", {"text": "nothing in it"})
    assert page.status_code == 422 and "These places are missing: {{ prompt }}" in page.content.decode()


def test_a_preview_shows_the_draft_with_real_prompts_and_saves_nothing(lead: Person) -> None:
    make_prompts(1)
    page = lead.post(f"/templates/{NAME}/edit/", {"text": TEXT, "preview": "1"})
    assert page.status_code == 200 and "Prompt: prompt 1" in page.content.decode()
    assert not TemplateVersion.objects.exists()


def test_hostile_text_of_a_prompt_stays_text_in_the_preview(lead: Person) -> None:
    make_prompts(1)
    text = TEXT + "<script>alert(1)</script>"
    page = lead.post(f"/templates/{NAME}/edit/", {"text": text, "preview": "1"}).content.decode()
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


def test_two_versions_can_be_compared(annotator: Person) -> None:
    saved()
    page = annotator.get(f"/templates/{NAME}/diff/?old=0&new=1")
    assert page.status_code == 200 and "<ins>" in page.content.decode()


@pytest.mark.parametrize(
    "path", ["no.such/", "no.such/edit/", f"{NAME}/7/", f"{NAME}/diff/?old=0&new=7", f"{NAME}/edit/?number=7"]
)
def test_what_does_not_exist_is_not_found(lead: Person, path: str) -> None:
    assert lead.get(f"/templates/{path}").status_code == 404


def test_choosing_a_version_that_is_not_there_is_not_found(lead: Person) -> None:
    assert lead.post(f"/templates/{NAME}/use/", {"number": "9"}).status_code == 404


@pytest.mark.parametrize("prompts", ["one", "1,2,3,4,5,6"])
def test_what_are_no_numbers_of_prompts_is_said(lead: Person, prompts: str) -> None:
    page = lead.get(f"/templates/{NAME}/0/", {"prompts": prompts})
    assert "at most 5 numbers" in page.content.decode()


def test_an_author_keeps_the_name_under_which_the_version_was_saved(annotator: Person) -> None:
    version_save(user=make_user("writer"), name=NAME, text=TEXT)
    assert annotator.get(f"/templates/{NAME}/").context["versions"][0].author == "writer"
