"""The forms of prompt templates: an edited text, the choice of a version, two versions to compare, prompts to show."""

from __future__ import annotations

import re

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from madsafe_web.core.llm.editing.checking import LONGEST

MOST_PROMPTS = 5
LARGEST_NUMBER = 2**31 - 1


class PromptsField(forms.CharField):
    """Numbers of prompts, at most five, with anything between them; nothing written means the newest."""

    def clean(self, value: object) -> list[int]:
        """Raises ValidationError for what is no number."""
        words = re.split(r"[\s,;，、#]+", str(super().clean(value)).strip(" ,;，、#"))
        words = [word for word in words if word]
        if len(words) > MOST_PROMPTS or not all(re.fullmatch(r"[0-9]{1,15}", word) for word in words):
            raise forms.ValidationError(_("Write at most %(most)d numbers of prompts.") % {"most": MOST_PROMPTS})
        return [int(word) for word in words]


class PreviewForm(forms.Form):
    prompts = PromptsField(
        required=False,
        max_length=120,
        label=gettext_lazy("Prompts to show"),
        help_text=gettext_lazy("Up to five numbers of prompts; left empty, the newest ones."),
    )


class EditForm(PreviewForm):
    text = forms.CharField(
        max_length=2 * LONGEST,
        strip=False,
        label=gettext_lazy("Text"),
        help_text=gettext_lazy("What stands above a line --- goes to the model as the system part."),
        widget=forms.Textarea(attrs={"rows": 20, "class": "mono", "spellcheck": "false", "translate": "no"}),
    )
    note = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("What was changed, and why."),
    )
    field_order = ("text", "note", "prompts")


class NumberForm(forms.Form):
    number = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER)


class DiffForm(forms.Form):
    old = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER)
    new = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER)
