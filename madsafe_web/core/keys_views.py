"""The page on which a person gives the keys of the product other ones."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from madsafe_web.core import keys
from madsafe_web.core.models import User
from madsafe_web.core.people import person


class KeyField(forms.CharField):
    """One key. Without scripts its name is typed; with them the key itself is pressed in the field."""

    def __init__(self, key: keys.Key) -> None:
        attributes = {"data-capture": "", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        super().__init__(label=str(key.text), required=False, strip=False, max_length=20)
        self.widget.attrs |= attributes | {"class": "key-input mono"}

    def clean(self, value: Any) -> str:
        """The key in the form in which it is kept; "" for the default."""
        text = super().clean(value)
        try:
            return keys.as_key(text) if text else ""
        except keys.UnknownKey as error:
            message = _("This is not one key. Give one character, Shift and a letter, or a name as Enter or Space.")
            raise ValidationError(message) from error


class KeyForm(forms.Form):
    """A field for every action of the table, empty for its default."""

    def __init__(self, data: QueryDict | None, user: User) -> None:
        super().__init__(data, initial=keys.keys_of(user))
        self.fields = {one.action: KeyField(one) for one in keys.TABLE}

    def chosen(self) -> dict[str, str]:
        return {action: key for action, key in self.cleaned_data.items() if key}

    def by_place(self) -> list[dict[str, Any]]:
        """The fields under the places where their keys work."""
        return [
            {"name": name, "fields": [self[one.action] for one in keys.TABLE if one.place == place]}
            for place, name in keys.PLACES.items()
        ]


@require_http_methods(["GET", "HEAD", "POST"])
def key_list(request: HttpRequest) -> HttpResponse:
    """Show the keys, keep others, or take the defaults again."""
    user = person(request)
    form = KeyForm(request.POST if request.method == "POST" else None, user)
    if request.method == "POST":
        if "reset" in request.POST:
            keys.keys_set(user=user, keys={})
            messages.success(request, _("The default keys are in use again."))
            return redirect("accounts:keys")
        if form.is_valid() and kept(user, form):
            messages.success(request, _("Your keys are kept."))
            return redirect("accounts:keys")
    status = 422 if form.errors else 200
    return render(request, "accounts/keys.html", {"form": form, "own": bool(user.keys)}, status=status)


def kept(user: User, form: KeyForm) -> bool:
    """Keep the keys of the form; False, with the reason at the field, where two actions would have the same."""
    try:
        keys.keys_set(user=user, keys=form.chosen())
    except keys.KeyTaken as taken:
        text = _("%(key)s is the key of “%(other)s” already.")
        form.add_error(taken.second.action, text % {"key": keys.caption(taken.key), "other": taken.first.text})
        return False
    return True
