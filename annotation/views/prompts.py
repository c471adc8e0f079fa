"""The list of prompts, and one prompt with where it came from."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotation.forms import PromptFilter
from annotation.models import Prompt
from annotation.pages.prompts import corpus_choices, prompt_context, prompts_filtered, prompts_shown
from annotation.selectors import categories
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.paging import newest_first


@require_safe
@needs("browse")
def prompts(request: HttpRequest) -> HttpResponse:
    filters = PromptFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the filter could not be used and was left out."))
    rows = prompts_filtered(scoped(request.user, Prompt).select_related("corpus"), filters)
    page = newest_first(rows, request.GET)
    context = {
        "prompts": prompts_shown(page.rows),
        "corpora": corpus_choices(),
        "states": [{"value": value, "label": label} for value, label in Prompt.State.choices],
        "categories": categories(),
        "filters": {name: filters.text(name) for name in filters.fields},
        "filtered": any(filters.kept.values()),
        "pager": page.pager,
    }
    return render(request, "annotation/prompt_list.html", context)


@require_safe
@needs("browse")
def prompt(request: HttpRequest, pk: int) -> HttpResponse:
    rows = scoped(request.user, Prompt).select_related("corpus", "run", "state_run")
    return render(request, "annotation/prompt_detail.html", prompt_context(get_object_or_404(rows, pk=pk)))
