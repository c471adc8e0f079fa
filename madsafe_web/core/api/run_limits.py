"""What a run may use and until when, and a run made like another one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Number, Text, Whole
from madsafe_web.core.api.runs import RunDetail, RunWrite, run_detail
from madsafe_web.core.api.views import NoBody
from madsafe_web.core.llm.prices import MILLION
from madsafe_web.core.models import Run
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.deadline import parsed
from madsafe_web.core.runs.drafts import run_budget, run_clone, run_deadline
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.pages import works_by_rows
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN

LARGEST = 10**12


class NewBudget(Body):
    """The whole budget: what is left out or null is no limit."""

    calls = Whole(required=False, allow_null=True, max_value=LARGEST)
    tokens = Whole(required=False, allow_null=True, max_value=LARGEST, help_text="Of prompts and replies together.")
    money = Number(
        required=False, allow_null=True, min_value=0, max_value=10**9, help_text="In the currency of the prices."
    )
    seconds = Whole(required=False, allow_null=True, max_value=10**9, help_text="Of work; waiting does not count.")
    deadline = Text(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="A time (2026-11-30T08:00:00Z) or how long from now (90m, 8h, 2d): no call begins after it.",
    )


class RunBudget(RunWrite):
    @extend_schema(operation_id="runs_budget", request=NewBudget, responses=RunDetail)
    def put(self, request: Request, pk: int) -> Response:
        """Give a run that is not in work another budget and deadline. It has to work row by row."""
        wanted = self.body(NewBudget)
        return self.once(lambda: self.set_to(pk, wanted))

    def set_to(self, pk: int, wanted: dict[str, Any]) -> Response:
        """Raises ValidationError for a deadline that cannot be read, Conflict where there is no budget to keep to."""
        run = self.row(Run, pk)
        try:
            until = parsed(wanted.get("deadline") or "")
        except ConfigError as error:
            raise ValidationError({"deadline": str(error)}) from None
        money = wanted.get("money")
        limits = Limits(
            calls=wanted.get("calls"),
            tokens=wanted.get("tokens"),
            cost=None if money is None else round(money * MILLION),
            seconds=wanted.get("seconds"),
        )
        if not works_by_rows(run):
            raise Conflict("A budget is kept to by runs that work row by row only.", state=run.state)
        done = run_budget(run=run, limits=limits, user=self.user)
        if not (done and run_deadline(run=run, when=until, user=self.user)):
            raise Conflict("The run is in work or was cancelled.", state=run.state)
        return Response(run_detail(self.row(Run, pk)))


class RunClone(RunWrite):
    @extend_schema(operation_id="runs_clone", request=NoBody, responses={201: RunDetail})
    def post(self, request: Request, pk: int) -> Response:
        """Make a draft with the parameters and the budget of a run."""
        self.body(NoBody)
        return self.once(lambda: self.cloned(pk))

    def cloned(self, pk: int) -> Response:
        run = self.row(Run, pk)
        if run.stage in WITH_A_PAGE_OF_THEIR_OWN:
            raise Conflict("A run of this stage begins at an address of its own.", state=run.state)
        return Response(run_detail(run_clone(run=run, user=self.user)), status=201)
