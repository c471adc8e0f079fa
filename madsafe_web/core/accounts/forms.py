"""What the pages of people and tokens take."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from madsafe_web.core.accounts.tokens import WORDS, rights_held
from madsafe_web.core.models import ApiToken, User

LONGEST_NAME = 150
LIFETIMES = {
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "365": gettext_lazy("1 year"),
    "": gettext_lazy("Until it is revoked"),
}


class PersonForm(forms.Form):
    """A new account."""

    username = forms.CharField(
        max_length=LONGEST_NAME,
        validators=[UnicodeUsernameValidator()],
        label=gettext_lazy("User name"),
        help_text=gettext_lazy("Letters, digits and . @ + - _"),
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(choices=User.Role.choices, label=gettext_lazy("Role"))


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=User.Role.choices, label=gettext_lazy("Role"))


class ProfileForm(forms.Form):
    """What a person chose for themselves."""

    language = forms.ChoiceField(required=False, label=gettext_lazy("Language"))
    theme = forms.ChoiceField(choices=User.Theme.choices, label=gettext_lazy("Theme"))
    time_zone = forms.ChoiceField(required=False, label=gettext_lazy("Time zone"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choose("language", [("", _("As the browser asks")), *settings.LANGUAGES])
        zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        server = _("That of the server (%(zone)s)") % {"zone": settings.TIME_ZONE}
        self._choose("time_zone", [("", server), ("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in zones)])

    def _choose(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


class TokenForm(forms.Form):
    """A new token; only the rights of its owner are offered."""

    name = forms.CharField(
        max_length=60, label=gettext_lazy("Name"), help_text=gettext_lazy("Where the token will be used")
    )
    lifetime = forms.ChoiceField(
        required=False, choices=list(LIFETIMES.items()), initial="90", label=gettext_lazy("Valid for")
    )
    rights = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label=gettext_lazy("Rights"))

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rights"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(right, WORDS[right]) for right in rights_held(user)]

    def values(self) -> dict[str, Any]:
        """The arguments of `token_create`."""
        days = self.cleaned_data["lifetime"]
        expires = timezone.now() + timedelta(days=int(days)) if days else None
        return {"name": self.cleaned_data["name"], "rights": self.cleaned_data["rights"], "expires": expires}


class SignInForm(AuthenticationForm):
    """Django's form; a longer name than there are is cut, since the lists of failures have no room for it."""

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"])[:LONGEST_NAME]


class OwnPasswordForm(PasswordChangeForm):
    """Django's form; the new password must be another one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = _("At least 12 characters, not common, and not like your user name")

    def clean(self) -> dict[str, Any]:
        super().clean()
        new = self.cleaned_data.get("new_password1")
        if new and new == self.cleaned_data.get("old_password"):
            self.add_error("new_password1", ValidationError(_("Choose another password than the one you have.")))
        return self.cleaned_data


def token_rows(tokens: list[ApiToken]) -> list[dict[str, Any]]:
    """Tokens as the tables show them."""
    now = timezone.now()
    return [
        {
            "row": token,
            "rights": [WORDS[right] for right in token.rights if right in WORDS],
            "state": "revoked" if token.revoked else "expired" if token.expires and token.expires <= now else "live",
        }
        for token in tokens
    ]
