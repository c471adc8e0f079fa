"""The bell: what the runs that somebody started came to, in the header of every page and as a list of its own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from madsafe_web.core import outbound
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.crypto import SecretError
from madsafe_web.core.models import RunNotice, User
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.runs.notice_pages import notice_lines
from madsafe_web.core.runs.notices import MissingSecret, notices_seen, notify_set

SHORTEST_SECRET = 16
NEWEST = 6  # in the header


class SeenForm(forms.Form):
    """One notice, or with nothing named all of them."""

    notice = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class SentForm(forms.Form):
    """How notices are sent besides; an empty field means not at all."""

    mail = forms.EmailField(required=False, label=gettext_lazy("E-mail address"))
    url = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Webhook"),
        help_text=gettext_lazy("An address that takes JSON. Every request is signed with the secret."),
    )
    secret = forms.CharField(
        required=False,
        max_length=200,
        min_length=SHORTEST_SECRET,
        label=gettext_lazy("Secret of the webhook"),
        help_text=gettext_lazy("Stored encrypted and never shown again. Left empty, the stored one stays."),
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"mail": user.email if user.notify_mail else "", "url": user.hook_url})
        if not settings.EMAIL_HOST:
            del self.fields["mail"]

    def clean_url(self) -> str:
        """An address without a query, which may hold a secret and is never sent."""
        url = str(self.cleaned_data["url"])
        if "?" in url or "#" in url:
            raise forms.ValidationError(_("The address must end with its path, without ? or # behind it."))
        return url


@require_GET
@needs("browse")
def notice_list(request: HttpRequest) -> HttpResponse:
    rows = scoped(request.user, RunNotice).select_related("run").defer("run__outputs")
    page = newest_first(rows, request.GET)
    context = {"notices": notice_lines(page.rows), "pager": page.pager}
    return render(request, "runs/notice_list.html", context)


@require_GET
@needs("browse")
def bell(request: HttpRequest) -> HttpResponse:
    """The count in the header, asked for now and then."""
    return render(request, "partials/bell_count.html")


@require_GET
@needs("browse")
def newest(request: HttpRequest) -> HttpResponse:
    """The newest notices, for the box under the bell."""
    rows = scoped(request.user, RunNotice).select_related("run").defer("run__outputs").order_by("-pk")[:NEWEST]
    return render(request, "runs/notice_newest.html", {"notices": notice_lines(rows)})


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
@needs("run")
def sent(request: HttpRequest) -> HttpResponse:
    """How the notices of the person are sent besides."""
    form = SentForm(person(request), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and saved(request, form):
        messages.success(request, _("Saved."))
        return redirect("runs:notices")
    status = 422 if request.method == "POST" else 200
    return render(request, "runs/notice_sent.html", {"form": form, "mails": settings.EMAIL_HOST}, status=status)


@sensitive_variables("data", "form")
def saved(request: HttpRequest, form: SentForm) -> bool:
    """Whether it was saved; else the form holds what is wrong."""
    data = form.cleaned_data
    try:
        notify_set(user=person(request), mail=data.get("mail", ""), url=data["url"], secret=data["secret"])
    except outbound.Refused as error:
        form.add_error("url", str(error))
    except MissingSecret:
        form.add_error("secret", _("A webhook needs a secret to sign with."))
    except SecretError as error:
        form.add_error("secret", str(error))
    return form.is_valid()


@require_POST
@needs("browse")
def seen(request: HttpRequest) -> HttpResponse:
    """Mark one notice as seen and go to its run, or mark all."""
    form = SeenForm(request.POST)
    wanted = form.cleaned_data["notice"] if form.is_valid() else None
    notice = scoped(request.user, RunNotice).filter(pk=wanted).first() if wanted else None
    notices_seen(user=person(request), notice=notice.pk if notice else None)
    return redirect("runs:detail", notice.run_id) if notice else redirect("runs:notices")
