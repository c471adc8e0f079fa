"""Whether an edited template can take the place of its file: the same places, written as places, and a user part."""

from __future__ import annotations

from django.utils.translation import gettext as _

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.templates import PLACE, Template
from madsafe_web.core.storable import is_storable

LONGEST = 20_000


def edited(name: str, text: str) -> Template:
    """The template of a text as a browser sends it, whose line breaks are two characters each."""
    return templates.made(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def faults(template: Template) -> list[str]:
    """What is wrong with the text, one sentence each: a stage fills exactly the places of the file, no other ones."""
    wanted, found = templates.load(template.name).places, template.places
    said = []
    if missing := [place for place in wanted if place not in found]:
        said.append(_("These places are missing: %(names)s.") % {"names": _shown(missing)})
    if unknown := [place for place in found if place not in wanted]:
        words = {"names": _shown(unknown), "known": _shown(wanted)}
        said.append(_("No stage fills these places: %(names)s. This template has: %(known)s.") % words)
    rest = PLACE.sub("", template.text)
    if "{{" in rest or "}}" in rest:
        said.append(_("Write a place as {{ name }}: two braces, one space, its name, one space, two braces."))
    if not template.parts[1].strip():
        said.append(_("The part for the model is empty: it stands below the line ---, or is the whole text."))
    if len(template.text) > LONGEST or not is_storable(template.text):
        said.append(_("The text is longer than %(most)d characters or holds some that cannot be stored.") % _most())
    return said


def _most() -> dict[str, int]:
    return {"most": LONGEST}


def _shown(places: list[str]) -> str:
    return ", ".join("{{ " + place + " }}" for place in places)
