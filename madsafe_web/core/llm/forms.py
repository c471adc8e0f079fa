"""The form of an endpoint. The key can be written and never read: its field is always empty when shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from madsafe_web.core.llm.endpoints import FIELDS, LONGEST_KEY
from madsafe_web.core.models import Endpoint

BACKEND_CHOICES = [
    ("openai_compatible", gettext_lazy("Served: /chat/completions")),
    ("openai_batch", gettext_lazy("Batches: files of calls, within a day")),
    ("transformers", gettext_lazy("In process: a model folder")),
    ("vllm", gettext_lazy("Child process: vLLM, for bulk work")),
    ("tiny_llama", gettext_lazy("In process: tiny test model")),
]


class EndpointForm(forms.Form):
    name = forms.CharField(
        max_length=60,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Runs and chains refer to it by this name, so it stays."),
    )
    backend = forms.ChoiceField(choices=BACKEND_CHOICES, label=gettext_lazy("Backend"))
    base_url = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Base URL"),
        help_text=gettext_lazy("Of a served model, mostly ending in /v1."),
    )
    model = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Model"),
        help_text=gettext_lazy("The name that the server knows, or the folder of the model."),
    )
    concurrency = forms.IntegerField(
        min_value=1, max_value=10_000, initial=32, label=gettext_lazy("Calls at the same time")
    )
    key = forms.CharField(
        required=False,
        max_length=LONGEST_KEY,
        label=gettext_lazy("Key"),
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )
    remove_key = forms.BooleanField(required=False, label=gettext_lazy("Remove the stored key"))
    key_env = forms.CharField(
        required=False,
        max_length=80,
        label=gettext_lazy("Environment variable with the key"),
        help_text=gettext_lazy("Instead of a stored key: read where the worker runs."),
    )
    fallback = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Fallback"),
        help_text=gettext_lazy("The endpoint that is asked what this one's provider refuses by its content filter."),
    )
    options = forms.JSONField(
        required=False,
        initial=dict,
        label=gettext_lazy("Options"),
        help_text=gettext_lazy('A JSON object, for example {"total_timeout": 60}.'),
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"}),
    )

    def __init__(self, endpoint: Endpoint | None, data: Any = None) -> None:
        values = {name: getattr(endpoint, name) for name in FIELDS} if endpoint else {}
        super().__init__(data, initial=values)
        self.fields["key"].help_text = key_words(endpoint)
        fallback = self.fields["fallback"]
        assert isinstance(fallback, forms.ChoiceField)
        others = Endpoint.objects.exclude(name=endpoint.name if endpoint else "").order_by("name")
        fallback.choices = [("", _("none")), *((one.name, one.name) for one in others)]
        if endpoint:
            self.fields["name"].disabled = True
        if endpoint is None or not endpoint.secret:
            del self.fields["remove_key"]

    def clean_options(self) -> dict[str, Any]:
        """An object; nothing written means none."""
        options = self.cleaned_data["options"]
        if options is None:
            return {}
        if not isinstance(options, dict):
            raise forms.ValidationError(_("Write the options as a JSON object."))
        return options

    def new_key(self) -> str | None:
        """The key to store, "" to remove the stored one, None to keep it."""
        written = str(self.cleaned_data["key"])
        return written or ("" if self.cleaned_data.get("remove_key") else None)


def key_words(endpoint: Endpoint | None) -> str:
    """What is known of the stored key."""
    if endpoint is None or not endpoint.secret:
        return _("Stored encrypted and never shown again.")
    if not endpoint.secret_hint:
        return _("A key is stored. Write another one to replace it.")
    return _("The stored key ends in …%(end)s. Write another one to replace it.") % {"end": endpoint.secret_hint}
