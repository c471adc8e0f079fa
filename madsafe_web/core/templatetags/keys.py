"""Keys in templates: `{% key "run-pause" %}` inside the tag of a button, `{% key_cap "run-pause" %}` in its text."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from madsafe_web.core import keys

register = template.Library()


@register.simple_tag(takes_context=True)
def key(context: Context, action: str, text: str = "") -> SafeString:
    """The attributes by which app.js and screen readers know the key. Raises KeyError for an unknown action.

    `text` is what the sheet of shortcuts says instead of the text in the table.
    """
    name = keys.keys_of(context.get("user"))[action]
    return format_html(
        'data-key="{}" data-key-text="{}" aria-keyshortcuts="{}"',
        name,
        text or keys.BY_ACTION[action].text,
        "Shift+Z" if name == "Shift+z" else name,
    )


@register.simple_tag(takes_context=True)
def key_cap(context: Context, action: str) -> SafeString:
    """The key as it is printed on the button; a phone shows none."""
    name = keys.keys_of(context.get("user"))[action]
    return format_html('<kbd class="opt" aria-hidden="true">{}</kbd>', keys.caption(name))
