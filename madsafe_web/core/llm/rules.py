"""The offline rules: a backend without a model, so that the whole method runs on a bare machine.

It reads a call's template name and inputs, never its messages. The same call always gets the same reply; nothing
depends on a clock, a random state or the network. Whatever it produced is marked by `offline_rules`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from madsafe_web.core.llm import rules_compose, rules_judge, rules_lexicon
from madsafe_web.core.llm.base import Call, CallError, Reply
from madsafe_web.core.llm.parse import NO_CATEGORY
from madsafe_web.core.llm.rules_lexicon import Language

Inputs = Mapping[str, str]


def _label(inputs: Inputs, language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(rules_lexicon.label(inputs["prompt"], language))


def _suggest(inputs: Inputs, language: Language) -> str:
    category, confidence = rules_lexicon.category_of(inputs["label"])
    known = inputs["categories"]
    if known and f"\n{category} " not in f"\n{known}":  # the rules know the paper's categories, and no others
        category = NO_CATEGORY
    return json.dumps({"category": category, "confidence": confidence})


def _augment_keyword(inputs: Inputs, language: Language) -> str:
    return rules_compose.from_keyword(inputs["keyword"], inputs["category"], inputs["variant"], language)


def _augment_related(inputs: Inputs, language: Language) -> str:
    return rules_compose.from_prompt(inputs["prompt"], inputs["variant"], language)


def _regenerate(inputs: Inputs, language: Language) -> str:
    return rules_compose.safe_reply(inputs["prompt"], language)


def _response_safety(inputs: Inputs, language: Language) -> str:
    return rules_judge.response_scores(inputs["prompt"], inputs["output1"], inputs["output2"])


def _instruction_safety(inputs: Inputs, language: Language) -> str:
    return rules_judge.instruction_score(inputs["prompt"])


def _judge(inputs: Inputs, language: Language) -> str:
    return rules_judge.verdict(inputs["prompt"], inputs["response"], inputs["category"], language)


RULES: dict[str, Callable[[Inputs, Language], str]] = {
    "label": _label,
    "suggest": _suggest,
    "augment_keyword": _augment_keyword,
    "augment_related": _augment_related,
    "regenerate": _regenerate,
    "response_safety": _response_safety,
    "instruction_safety": _instruction_safety,
    "judge": _judge,
}


class RulesBackend:
    """Answers every template in `RULES`, zh and en. Counts no tokens: none are spent."""

    offline_rules = True

    async def complete(self, call: Call) -> Reply:
        """Answer one call. Raises a final CallError "bad_request" for a template or an input that it does not know."""
        name, _, language = call.template.rpartition(".")
        rule = RULES.get(name)
        if rule is None or language not in ("zh", "en"):
            known = ", ".join(RULES)
            raise CallError(
                "bad_request",
                f"The offline rules have no answer to the template '{call.template}'. They know {known}, "
                "each as .zh and .en. Choose another endpoint for this template.",
                final=True,
            )
        try:
            return Reply(rule(call.inputs, "zh" if language == "zh" else "en"))
        except KeyError as error:
            missing = f"The template '{call.template}' was called without its input {error}."
            raise CallError("bad_request", missing, final=True) from error

    async def close(self) -> None:
        """Nothing to close: the rules hold no connection."""


def create(endpoint: object) -> RulesBackend:
    """The backend for an endpoint of kind "rules". The endpoint holds no settings that matter here."""
    return RulesBackend()
