"""The pages of endpoints, for admins: what there is to ask, changing it, and trying it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.crypto import SecretError
from madsafe_web.core.llm import capabilities, vllm_command
from madsafe_web.core.llm.endpoints import RULES, SERVED
from madsafe_web.core.llm.forms import EndpointForm
from madsafe_web.core.llm.services import endpoint_save
from madsafe_web.core.llm.trying import Tried, endpoint_try
from madsafe_web.core.models import Endpoint, User
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person


@require_GET
@needs("administer")
def endpoints(request: HttpRequest) -> HttpResponse:
    page = newest_first(scoped(request.user, Endpoint), request.GET)
    return render(request, "llm/endpoint_list.html", {"rows": page.rows, "pager": page.pager, "built_in": RULES})


@sensitive_post_parameters("key")
@require_http_methods(["GET", "POST"])
@needs("administer")
def endpoint_new(request: HttpRequest) -> HttpResponse:
    return _edited(request, None)


@sensitive_post_parameters("key")
@require_http_methods(["GET", "POST"])
@needs("administer")
def endpoint(request: HttpRequest, pk: int) -> HttpResponse:
    return _edited(request, get_object_or_404(changeable(person(request)), pk=pk))


@require_POST
@needs("administer")
def endpoint_tried(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(changeable(person(request)), pk=pk)
    return _page(request, row, EndpointForm(row), tried=endpoint_try(user=person(request), endpoint=row))


def changeable(user: User) -> QuerySet[Endpoint]:
    """The endpoints that somebody may change: all but the offline rules, which are built in."""
    return scoped(user, Endpoint).exclude(name=RULES)


@sensitive_variables("form")
def _edited(request: HttpRequest, row: Endpoint | None) -> HttpResponse:
    """The form; what it holds is saved by POST, or the form is given again with its errors."""
    if request.method != "POST":
        return _page(request, row, EndpointForm(row))
    form = EndpointForm(row, request.POST)
    if not form.is_valid():
        return _page(request, row, form, status=422)
    try:
        saved = endpoint_save(user=person(request), endpoint=row, values=form.cleaned_data, key=form.new_key())
    except (ValidationError, SecretError) as error:
        form.add_error(*((None, error) if isinstance(error, ValidationError) else ("key", str(error))))
        return _page(request, row, form, status=422)
    messages.success(request, _("The endpoint %(name)s is saved.") % {"name": saved.name})
    return redirect("llm:endpoint", saved.pk)


def _page(
    request: HttpRequest, row: Endpoint | None, form: EndpointForm, tried: Tried | None = None, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {"endpoint": row, "form": form, "tried": tried}
    context["able"] = capabilities.of(row.backend) if row else None
    context["commands"] = vllm_command.commands(row) if row and row.backend in SERVED else []
    return render(request, "llm/endpoint_form.html", context, status=status)
