"""Objects that are there but not for everybody: the one table that tests/test_access.py walks besides unknown ids.

One team works in an installation, so only this is hidden from a colleague: others' seats and open judgements, what a
judge said before one's own answer, and what of the audit record is no work of the method. Everything else is hidden
only by not being there: ids in addresses are walked for every address, ids in bodies and filters stand here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_decide
from annotation.merge.states import Decision
from annotation.models import IntentLabel, Seat
from annotation.reviewing import seat_answer, seat_claim
from madsafe_web.core.audit import audit
from madsafe_web.core.models import ApiToken, User
from tests.factories import make_user

UNKNOWN = 987_654_321
YEAR = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What is sent, and what must not be in the answer."""

    data: dict[str, Any] = field(default_factory=dict)
    without: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """`make` makes the hidden object and gives the request for it; `status` is what `role` gets."""

    what: str
    address: str
    role: str
    make: Callable[[], Ask]
    method: str = "POST"
    status: int = 404


def someone_else() -> User:
    return User.objects.filter(username="other").first() or make_user("other", User.Role.REVIEWER)


def seat_of_somebody_else() -> Ask:
    seat = seat_claim(someone_else())
    assert seat
    return Ask({"seat": seat.pk, "token": seat.token, "answer": "safe"})


def seat_of_somebody_else_by_a_first_token() -> Ask:
    return Ask({**seat_of_somebody_else().data, "token": 0})


def answered_seat_of_somebody_else() -> Ask:
    held = seat_of_somebody_else().data
    seat_answer(someone_else(), held["seat"], held["token"], "safe")
    return Ask(held)


def seat_of_somebody_else_to_skip() -> Ask:
    return Ask({name: value for name, value in seat_of_somebody_else().data.items() if name != "answer"})


def token_of_somebody_else() -> Ask:
    ApiToken.objects.create(user=someone_else(), name="a hidden name", digest="ab" * 32, hint="abcd", rights=["browse"])
    return Ask(without="a hidden name")


def item_of_somebody_else() -> Ask:
    held = Seat.objects.select_related("item").get(pk=seat_of_somebody_else().data["seat"])
    return Ask(without=held.item.prompt)


def blind_answer_of_somebody_else() -> Ask:
    policy_set(user=someone_else(), two_people=True, prompts_from=1, confidence_below=1.0)
    labels_decide(user=someone_else(), seen={known_label(): 0}, decision=Decision("CIA"))
    return Ask(without="CIA")


def known_label() -> int:
    return IntentLabel.objects.values_list("pk", flat=True)[0]


def also_unknown(mark: str) -> Callable[[], Ask]:
    return lambda: Ask({"label": known_label(), "revision": 0, "category": "CIA", "also": [mark]})


def sent(**data: Any) -> Callable[[], Ask]:
    return lambda: Ask(data)


def event(verb: str) -> Callable[[], Ask]:
    def make() -> Ask:
        audit(None, verb, "a hidden subject")
        return Ask(without="a hidden subject")

    return make


HIDDEN_VERBS = ("login", "user.role", "token.create", "endpoint.key", "set.download", "review.answer", "audit.export")
CASES = (
    *(
        Case("the seat of somebody else", f"annotation:review-{verb}", "reviewer", seat_of_somebody_else)
        for verb in ("answer", "skip")
    ),
    *(
        Case("a seat by a guess", f"annotation:review-{verb}", "reviewer", seat_of_somebody_else_by_a_first_token)
        for verb in ("answer", "skip")
    ),
    Case("an answered seat", "annotation:review-answer", "reviewer", answered_seat_of_somebody_else),
    Case("an unknown seat", "annotation:review-answer", "reviewer", sent(seat=UNKNOWN, token=1, answer="safe")),
    Case("an unknown seat", "annotation:review-skip", "reviewer", sent(seat=UNKNOWN, token=1)),
    Case("the item of somebody else", "annotation:review", "reviewer", item_of_somebody_else, "GET", 200),
    Case("an unknown label", "annotation:label-assign", "lead", sent(label=UNKNOWN, revision=0, category="CIA")),
    Case("an unknown ticked label", "annotation:label-assign", "lead", also_unknown(f"{UNKNOWN}:0")),
    Case("an unknown taxonomy", "annotation:taxonomy", "lead", sent(version=UNKNOWN), "GET"),
    Case("an unknown taxonomy", "annotation:taxonomy-export", "lead", sent(version=UNKNOWN), "GET"),
    Case("an unknown taxonomy", "annotation:taxonomy-diff", "lead", sent(old=1, new=999), "GET"),
    Case("an unknown rule", "annotation:label-rule-withdraw", "lead", sent(rule=UNKNOWN)),
    Case("an unknown map", "annotation:label-agreement-file", "lead", sent(map=UNKNOWN)),
    Case("an unknown map", "annotation:map-publish", "lead", sent(map=UNKNOWN)),
    Case("an unknown map", "annotation:merge-finish", "lead", sent(map=UNKNOWN)),
    *(
        Case("the seat of somebody else", f"api:review-{verb}", "reviewer", make)
        for verb, make in (("answer", seat_of_somebody_else), ("skip", seat_of_somebody_else_to_skip))
    ),
    Case("an unknown seat", "api:review-answer", "reviewer", sent(seat=UNKNOWN, token=1, answer="safe")),
    Case("an unknown seat", "api:review-skip", "reviewer", sent(seat=UNKNOWN, token=1)),
    Case("an unknown label", "api:label-assign", "lead", sent(labels=[{"id": UNKNOWN, "revision": 0}], category="CIA")),
    *(
        Case("an unknown label", f"api:label-{verb}", "lead", sent(labels=[{"id": UNKNOWN, "revision": 0}], **also))
        for verb, also in (("theme", {"theme": "a name"}), ("flag", {"flagged": True}))
    ),
    Case("unknown labels", "api:label-refuse", "lead", sent(together=[UNKNOWN, UNKNOWN + 1])),
    Case("an unknown label", "api:label-comment", "lead", sent(label=UNKNOWN, text="a note")),
    Case("an unknown map", "api:map-diff", "lead", sent(against=UNKNOWN), "GET", 400),
    *(
        Case("a person who took no step", "api:label-history-revert", "lead", sent(person="nobody", **YEAR), method)
        for method in ("GET", "POST")
    ),
    *(
        Case("the blind answer of somebody else", address, role, blind_answer_of_somebody_else, "GET", 200)
        for address in ("api:label-history", "api:label-conflicts")
        for role in ("annotator", "lead")
    ),
    Case("the people", "api:users", "lead", sent(), "GET", 403),
    *(
        Case("the token of somebody else", address, role, token_of_somebody_else, "GET", 200)
        for address in ("accounts:tokens", "api:tokens")
        for role in ("annotator", "reviewer", "lead")
    ),
    # one answer for what is not among the choices, whether it exists or not
    Case("an unknown set", "pipeline:training-launch", "lead", sent(set=UNKNOWN), status=422),
    Case("an unknown set", "pipeline:training-launch", "lead", sent(set=UNKNOWN), "GET", 200),
    Case("an unknown endpoint", "pipeline:training-launch", "lead", sent(base_endpoint="nosuch"), status=422),
    # a filter by something unknown finds nothing, or filters nothing
    Case("an unknown corpus", "annotation:prompts", "lead", sent(corpus=UNKNOWN), "GET", 200),
    Case("an unknown label", "annotation:merge", "lead", sent(label=UNKNOWN), "GET", 200),
    Case("an unknown stage", "runs:list", "lead", sent(stage="nosuch", state="nosuch"), "GET", 200),
    Case("an unknown figure", "annotation:distributions", "lead", sent(csv="nosuch"), "GET"),
    Case("an unknown benchmark", "evaluation:results", "lead", sent(benchmark="nosuch"), "GET"),
    *(
        Case(f"the event {verb}", "overview", role, event(verb), "GET", 200)
        for verb in HIDDEN_VERBS
        for role in ("annotator", "reviewer", "lead")
    ),
)
