"""The review queue: the page with the item that a person holds, and taking one, answer, skip, undo.

Reading the page leases nothing: each POST takes the next item, and the first one is asked for by a form of its own.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation import reviewing
from annotation.forms import AnswerForm, SeatForm
from annotation.models import Judgement, Seat
from annotation.pages.review import review_context
from annotation.selectors import seat_taken_since
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person


def _page(request: HttpRequest, status: int = 200, notice: str = "") -> HttpResponse:
    return render(request, "annotation/review.html", review_context(person(request), notice), status=status)


def _next(request: HttpRequest) -> HttpResponse:
    """To the page, with the next item taken."""
    reviewing.seat_claim(person(request))
    return redirect("annotation:review")


def _refused(request: HttpRequest, status: int, notice: str) -> HttpResponse:
    """The page with why nothing was stored, and with the item to go on with."""
    reviewing.seat_claim(person(request))
    return _page(request, status, notice)


@require_GET
@never_cache
@needs("browse")
def review(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@needs("review")
def review_take(request: HttpRequest) -> HttpResponse:
    """Lease the next item, or keep the one held for longer. Where nothing is left, the page asks no more by itself."""
    if reviewing.seat_claim(person(request)):
        return redirect("annotation:review")
    return _page(request, notice=_("Somebody else took the last free item."))


@require_POST
@needs("review")
def review_answer(request: HttpRequest) -> HttpResponse:
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _refused(request, 422, _("The answer could not be read. Nothing was stored."))
    values = form.cleaned_data
    if not _reachable(request, values["seat"], values["token"]):
        return _lost(request)
    try:
        judgement = reviewing.seat_answer(person(request), values["seat"], values["token"], values["answer"])
    except reviewing.LeaseOver:
        return _lost(request)
    told = {"answer": Judgement.Answer(judgement.answer).label}
    messages.success(request, _("Stored: %(answer)s") % told, extra_tags="undo-review")
    return _next(request)


@require_POST
@needs("review")
def review_skip(request: HttpRequest) -> HttpResponse:
    form = SeatForm(request.POST)
    if not form.is_valid():
        return _refused(request, 422, _("The item to skip could not be read. Nothing was changed."))
    values = form.cleaned_data
    if not _reachable(request, values["seat"], values["token"]):
        return _lost(request)
    try:
        reviewing.seat_skip(person(request), values["seat"], values["token"])
    except reviewing.LeaseOver:
        return _lost(request)
    return _next(request)


@require_POST
@needs("review")
def review_undo(request: HttpRequest) -> HttpResponse:
    if reviewing.review_undo(person(request)) is None:
        messages.info(request, _("There is no answer of yours to take back."))
    return _next(request)


def _reachable(request: HttpRequest, seat: int, token: int) -> bool:
    """Whether the seat exists for this person; False when it went to somebody else after they held it.

    Raises Http404 for a seat of somebody else.
    """
    if scoped(request.user, Seat).filter(pk=seat).exists():
        return True
    if seat_taken_since(seat, token):
        return False
    raise Http404


def _lost(request: HttpRequest) -> HttpResponse:
    return _refused(request, 409, _("Your time for that item was over and somebody else has it, or it is answered."))
