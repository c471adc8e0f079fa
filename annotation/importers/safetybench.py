"""SafetyBench: multiple-choice questions, answers in a second file (github.com/thu-coai/SafetyBench@960833692a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    NeedsAnswers,
    RejectedRow,
    Rows,
    WrongFormat,
    each_member,
    first_records,
    has_fields,
    prompt_problem,
    rows,
    spelling,
    text_of,
)
from madsafe_web.core.textio import (
    BadFile,
    BadRecord,
    Record,
    Source,
    data_members,
    is_corrected,
    read_json_items,
    read_jsonl,
)

Answers = Mapping[str, Mapping[str, Any]]

CATEGORIES = (
    "Offensiveness",
    "Unfairness and Bias",
    "Physical Health",
    "Mental Health",
    "Illegal Activities",
    "Ethics and Morality",
    "Privacy and Property",
)
_spelt = spelling(CATEGORIES)
_EXPECTED = "an array of questions with id, category, question and options"
_EXPECTED_DEV = "an object of arrays, category name to questions with question, options and answer"
_EXPECTED_ANSWERS = "an object with an answer for each question id"
_ADVICE_ANSWERS = "Give the answer file of this set (test_answers_zh.json or test_answers_en.json)"


def read(path: Path, options: ImportOptions) -> Rows:
    """Questions with their options, answer (index from 0), id and category in the payload; scenario = the category.

    `options.answers` is test_answers_*.json (more answers than questions are fine), needed unless the questions carry
    their own. With `options.dev` the few-shot examples follow, row numbers going on, payload["split"] = "dev"; their
    file may also be imported alone. Raises WrongFormat when a file has another shape, or the answers are not given or
    leave out a question: the ids tell which answer file goes with which questions.
    """
    answers = _answers(options.answers, path) if options.answers else {}
    number = 0
    for number, row in each_member(path, lambda source: _questions(source, answers, options.split)):
        yield number, row
    if options.dev:
        for place, row in each_member(options.dev, _examples):
            named = replace(row, file=row.file or options.dev.name) if isinstance(row, RejectedRow) else row
            yield number + place, named


def _questions(source: Source, answers: Answers, split: str) -> Rows:
    """Questions with answers of their own under the names of categories are the few-shot examples themselves.

    Corrected ones come in one archive with the questions, and the answers to those.
    """
    first = first_records(_records(source))
    if (
        (not answers or is_corrected(source))
        and first
        and all(record.group and has_fields(record, "answer") for record in first)
    ):
        return _examples(source)
    return rows(
        source,
        _records(source),
        fits=lambda record: _fits(record) and (bool(answers) or _has_answer(source, record)),
        expected=_EXPECTED,
        convert=lambda record: _row(record, answers),
        split=split,
    )


def _records(source: Source) -> Iterator[Record | BadRecord]:
    return read_jsonl(source) if is_corrected(source) else read_json_items(source)


def _examples(source: Source) -> Rows:
    return rows(
        source,
        _records(source),
        fits=lambda record: _fits(record) and bool(record.group),
        expected=_EXPECTED_DEV,
        convert=lambda record: _row(record, {}),
        split="dev",
    )


def _answers(path: Path, questions: Path) -> Answers:
    """Answers by the id of the question. Raises WrongFormat for those of another set, told by the ids."""
    answers: dict[str, Mapping[str, Any]] = {}
    for record in read_json_items(path):
        if isinstance(record, BadRecord) or record.index is not None or not has_fields(record, "answer"):
            raise WrongFormat(path, f"expected {_EXPECTED_ANSWERS}", _ADVICE_ANSWERS)
        answers[record.group] = record.value
    asked = 0
    missing: set[str] = set()
    for source in data_members(questions)[0]:
        with suppress(BadFile):  # reading the questions says what is wrong
            for record in _records(source):
                if isinstance(record, Record) and _fits(record) and (name := text_of(record.value.get("id"))):
                    asked += 1
                    missing |= set() if name in answers or "answer" in record.value else {name}
    if missing:
        raise WrongFormat(path, f"{len(missing):,} of the {asked:,} questions have no answer in it", _ADVICE_ANSWERS)
    return answers


def _fits(record: Record) -> bool:
    return has_fields(record, "question", "options")


def _has_answer(path: Source, record: Record) -> bool:
    if "answer" in record.value:
        return True
    raise NeedsAnswers(path, "the questions carry no answers", _ADVICE_ANSWERS)


def _row(record: Record, answers: Mapping[str, Mapping[str, Any]]) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "question")
    if problem:
        return problem
    value = record.value
    options = value.get("options")
    if not isinstance(options, list) or len(options) < 2 or not all(isinstance(option, str) for option in options):
        return RejectedRow(record.number, "options", "is not an array of at least two texts")
    source_id = text_of(value.get("id")) or f"{record.group}/{record.index}"
    known = value if "answer" in value else answers.get(source_id, value)
    answer = known.get("answer")
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(options):
        return RejectedRow(record.number, "answer", f"is missing or no option of question {source_id}")
    category = _spelt(text_of(value.get("category")) or record.group)
    return ImportedRow(
        source_id=source_id,
        text=value["question"],
        scenario=category,
        payload={"options": options, "answer": answer, "id": value.get("id"), "category": category},
        warnings=_warnings(options, category, _spelt(text_of(known.get("category")))),
    )


def _warnings(options: list[str], category: str, answered_as: str) -> tuple[str, ...]:
    twice = "two options are the same" if len(set(options)) < len(options) else ""
    moved = f"the answer file has category {answered_as[:40]}" if answered_as and answered_as != category else ""
    return tuple(filter(None, (twice, moved)))


IMPORTER = Importer(
    name="safetybench",
    title="SafetyBench",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
