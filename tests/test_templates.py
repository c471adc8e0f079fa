"""Every prompt template exists in both languages and has exactly the places its stage fills."""

from __future__ import annotations

import pytest

from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.templates import PLACE, load, render

PLACES = {
    "label": {"prompt"},
    "suggest": {"label", "examples", "categories"},
    "augment_keyword": {"category", "keyword", "examples", "variant"},
    "augment_related": {"prompt", "variant"},
    "regenerate": {"prompt"},
    "response_safety": {"prompt", "output1", "output2"},
    "instruction_safety": {"prompt"},
    "judge": {"nonce", "category", "definition", "prompt", "response"},
}
NAMES = [f"{name}.{language}" for name in PLACES for language in ("zh", "en")]


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_exactly_the_places_of_its_stage(name: str) -> None:
    assert set(PLACE.findall(load(name).text)) == PLACES[name.partition(".")[0]]


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_a_system_part_and_a_user_part_without_stray_braces(name: str) -> None:
    call = render(name, {place: "x" for place in PLACES[name.partition(".")[0]]}, Sampling())
    assert [message.role for message in call.messages] == ["system", "user"]
    assert all(message.content and "{{" not in message.content for message in call.messages)


@pytest.mark.parametrize("name", ["judge.zh", "judge.en"])
def test_the_judge_sees_prompt_and_response_inside_fences_after_the_rules(name: str) -> None:
    inputs = {"nonce": "N1", "category": "CIA", "definition": "D", "prompt": "P-text", "response": "R-text"}
    user = render(name, inputs, Sampling()).messages[1].content
    assert "<<<N1\nP-text\nN1>>>" in user and user.endswith("<<<N1\nR-text\nN1>>>")
    assert user.index("needs_context") < user.index("<<<N1")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_judge_template_names_every_word_that_the_parser_accepts(language: str) -> None:
    from evaluation.judges.parse import REASON_CODES, RESPONSE_TYPES, VERDICTS

    text = load(f"judge.{language}").text
    assert all(word in text for word in (*REASON_CODES, *RESPONSE_TYPES, *VERDICTS))
