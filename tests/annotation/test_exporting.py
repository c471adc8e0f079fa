"""What leaves the explorer: who may take it, what stays out, what is written down."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from annotation import exporting
from annotation.models import Prompt
from madsafe_web.core.models import AuditEvent
from tests.factories import Person, make_corpus, make_label, make_map, make_prompt, make_prompts, make_response
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
JSONL, CSV, PAGE = "/prompts/file/jsonl/", "/prompts/file/csv/", "/prompts/page/json/"


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]


def cells(answer: Any) -> list[list[str]]:
    content = b"".join(answer) if answer.streaming else answer.content
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_only_leads_take_all_rows(annotator: Person, reviewer: Person, lead: Person, admin: Person) -> None:
    make_prompts(2)
    assert [one.post(JSONL).status_code for one in (annotator, reviewer, admin, lead)] == [403, 403, 403, 200]


def test_a_line_holds_the_prompt_with_its_labels_categories_and_responses(lead: Person) -> None:
    prompt = make_prompt("  a prompt\n\n", make_corpus("Corpus"), scenario="one")
    make_map({make_label("fraud", [prompt]): "CIA"}, published=True)
    reply = make_response(prompt, "n\na reply", kind="reply")
    (line,) = lines(lead.post(JSONL))
    assert (line["id"], line["text"], line["corpus"], line["scenario"]) == (prompt.pk, "a prompt", "Corpus", "one")
    assert (line["labels"], line["categories"], line["perplexity"]) == (["fraud"], ["CIA"], None)
    assert line["responses"] == [{"id": reply.pk, "text": "a reply", "kind": "reply", "origin": "imported"}]


def test_an_export_follows_the_filter_and_its_order(lead: Person) -> None:
    made = make_prompts(12)
    found = lines(lead.post(f"{JSONL}?q=prompt+1&sort=id"))
    assert [line["id"] for line in found] == [made[at].pk for at in (0, 9, 10, 11)]


def test_batches_join_without_a_gap(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "BATCH_ROWS", 7)
    made = make_prompts(40)
    assert [line["id"] for line in lines(lead.post(JSONL))] == [one.pk for one in made[::-1]]


def test_what_is_withdrawn_or_derives_from_a_corpus_not_for_export_stays_out(lead: Person) -> None:
    closed, free = make_corpus("Closed", exportable=False), make_corpus("Free")
    source, kept = make_prompt("source", closed), make_prompt("kept", free)
    make_prompt("child", free, origin="generated", parents=[source.pk])
    make_prompt("", free, state=Prompt.State.WITHDRAWN)
    answer = lead.post(JSONL)
    assert [line["id"] for line in lines(answer)] == [kept.pk]
    assert answer.headers["X-Left-Out"] == "3"
    facts = AuditEvent.objects.get(verb="prompts.export").facts
    assert (facts["rows"], facts["left_out"]) == (1, {"withdrawn": 1, "barred": 2})


def test_what_is_withdrawn_while_the_file_is_written_is_not_in_it(lead: Person) -> None:
    first, second = make_prompts(2)
    answer = lead.post(JSONL)
    Prompt.objects.filter(pk=first.pk).update(state=Prompt.State.WITHDRAWN, text="")
    assert [line["id"] for line in lines(answer)] == [second.pk]


def test_an_export_and_a_copy_are_written_down_with_the_filter_and_the_number(lead: Person, annotator: Person) -> None:
    make_prompts(60)
    lead.post(f"{CSV}?q=prompt+1&state=active")
    annotator.post(f"{PAGE}?page=2")
    event = AuditEvent.objects.get(verb="prompts.export")
    assert (event.actor, event.facts["query"], event.facts["rows"]) == (lead.user, "q=prompt+1&state=active", 11)
    event = AuditEvent.objects.get(verb="prompts.copy")
    assert (event.actor, event.facts["query"], event.facts["rows"]) == (annotator.user, "page=2", 10)


def test_a_copy_is_the_page_as_it_is_shown(annotator: Person) -> None:
    made = make_prompts(60)
    found = json.loads(annotator.post(f"{PAGE}?page=2").content)
    assert (found["total"], found["page"], found["pages"]) == (60, 2, 2)
    assert [row["id"] for row in found["prompts"]] == [one.pk for one in made[9::-1]]
    table = cells(annotator.post("/prompts/page/csv/?page=2"))
    assert table[0] == list(exporting.SHOWN) and [row[0] for row in table[1:]] == [str(one.pk) for one in made[9::-1]]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_copy_of_a_page_leaves_out_what_an_export_leaves_out_and_says_how_many(lead: Person, kind: str) -> None:
    closed, free = make_corpus("Closed", exportable=False), make_corpus("Free")
    source, kept = make_prompt("source", closed), make_prompt("kept", free)
    make_prompt("child", free, origin="generated", parents=[source.pk])
    make_prompt("", free, state=Prompt.State.WITHDRAWN)
    answer = lead.post(f"/prompts/page/{kind}/")
    found: dict[str, Any] = (
        json.loads(answer.content) if kind == "json" else {"prompts": cells(answer)[1:], "left_out": 3}
    )
    assert [str(row["id"] if kind == "json" else row[0]) for row in found["prompts"]] == [str(kept.pk)]
    assert (found["left_out"], answer.headers["X-Left-Out"]) == (3, "3")
    facts = AuditEvent.objects.get(verb="prompts.copy").facts
    assert (facts["rows"], facts["left_out"]) == (1, 3)


@pytest.mark.parametrize("path", ["/prompts/file/xml/", "/prompts/page/jsonl/"])
def test_a_kind_of_file_that_is_none_is_not_found(lead: Person, path: str) -> None:
    assert lead.post(path).status_code == 404


def test_a_hostile_text_opens_as_text_in_a_spreadsheet(lead: Person) -> None:
    make_prompt("=1+1", make_corpus("@corpus"), scenario="+scenario")
    for path in (CSV, "/prompts/page/csv/"):
        answer = lead.post(path)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not [cell for row in cells(answer) for cell in row if cell.startswith(("=", "+", "@"))]


def test_a_batch_costs_two_queries(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    make_prompts(20)
    monkeypatch.setattr(exporting, "BATCH_ROWS", 10)
    answer = lead.post(JSONL)
    assert query_count(lambda: lines(answer)) == 4
