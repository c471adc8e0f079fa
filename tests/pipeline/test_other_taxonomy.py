"""Another team's categories go the whole way; what was made with others before keeps its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotation.catalogue.wanted import NONE
from annotation.merge.deciding import labels_decide
from annotation.merge.drafts import map_draft_open, map_publish
from annotation.merge.states import Decision
from annotation.models import Corpus, LabelSuggestion, MergeMap, Response
from annotation.pages.facets import facet_counted
from annotation.prompt_filter import PromptFilter
from annotation.selectors import categories_of
from evaluation import answering, planning, selectors
from evaluation.models import EvaluationRun, Item
from pipeline import set_pages
from pipeline.models import AlignmentSet
from tests.annotation.taxonomies import three
from tests.evaluation.test_evaluate_run import add_run
from tests.pipeline.sets import made_set
from tests.pipeline.test_database import corpus, label, prompt, score_all, work

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = {"辱骂": "OFF", "诈骗": "LAW", "隐私泄露": "ELSE"}


@pytest.fixture(autouse=True)
def own_var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def merged() -> MergeMap:
    """A published map that puts three labels of three prompts into three categories of another team."""
    home = corpus()
    for name in NAMES:
        for text in (f"关于{name}的第一个问题是什么？", f"遇到{name}之后应该怎么办才好？"):
            row = prompt(home, text)
            Response.objects.create(prompt=row, key=b"r", text="好的")
            label(row, name)
    work("suggest")
    draft = map_draft_open()
    for entry in draft.entries.select_related("label"):
        decision = Decision(NAMES[entry.label.name])
        labels_decide(user=None, seen={entry.label_id: entry.revision}, decision=decision)
    return map_publish(draft, None)


def test_the_offline_rules_suggest_only_codes_that_the_taxonomy_has() -> None:
    made = three()
    merged()
    found = {one.label.name: one.category for one in LabelSuggestion.objects.select_related("label", "category")}
    assert {one.taxonomy_id for one in found.values() if one} <= {made.pk}
    assert {one.code for one in found.values() if one} <= {"OFF"}


def test_prompts_are_selected_and_frozen_by_the_codes_of_another_team() -> None:
    three()
    merge_map = merged()
    corpus("general", "general")
    work("regenerate")
    score_all()
    for stage in ("response_safety", "instruction_safety"):
        work(stage)
    work("sample_general", count=0)
    work("select", instruction_max=1.0, response_min=0.0)
    work("freeze")
    made = AlignmentSet.objects.get()
    assert made.merge_map == merge_map
    assert set(made.samples.values_list("category", flat=True)) == set(NAMES.values())
    figure = set_pages.category_figure(made)
    assert figure and {row[0] for row in figure.table.rows} == {
        "OFF Rudeness",
        "LAW Against the law",
        "ELSE Other harm",
    }


def test_new_safety_is_sampled_and_judged_by_the_taxonomy_of_the_map() -> None:
    three()
    bench = Corpus.objects.create(name="bench", format="s_eval", role="benchmark")
    for name in NAMES:
        label(prompt(bench, f"基准问题：{name}"), name)
    merged()
    run = add_run(benchmarks=["new_safety"])
    keys = list(planning.evaluate_keys(run))
    assert list(Item.objects.values_list("category", flat=True)) == ["LAW", "OFF", "ELSE"]
    assert {one.settings["taxonomy"] for one in EvaluationRun.objects.all()} == {2}
    row = answering.eval_rows(run, keys[:1])[0][1]
    assert row.codes == ("LAW", "OFF", "ELSE")
    assert row.words["en"] == ("Against the law", "What breaks a law.")
    result = selectors.results(run)[0]
    assert result.categories == ()


def test_a_set_made_before_shows_the_codes_and_names_it_was_made_with() -> None:
    made = made_set()
    map_publish(made.merge_map, None)
    three()
    map_publish(map_draft_open(), None)
    figure = set_pages.category_figure(AlignmentSet.objects.get(pk=made.pk))
    assert figure and [row[0] for row in figure.table.rows] == ["CIA Crimes and illegal activities"]
    assert {one.category.taxonomy.version for one in set_pages.examples(made) if one.category} == {1}


def test_the_explorer_counts_by_the_taxonomy_of_the_map_that_is_asked_for() -> None:
    three()
    merge_map = merged()
    shown = facet_counted(PromptFilter({"category": ["LAW"]}), merge_map, "category")
    assert {one.value: one.count for one in shown.values} == {"LAW": 2, "OFF": 2, "ELSE": 2}
    assert [one.value for one in shown.values] == list(categories_of(merge_map))
    assert NONE not in {one.value for one in shown.values}
