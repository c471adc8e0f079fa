"""The keys of the product: one table from which buttons, captions, the sheet of shortcuts and the tests are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.models import User

EVERYWHERE = "everywhere"
# Places in the order in which they are shown; keys of `everywhere` work in all of them.
PLACES: dict[str, Promise] = {
    EVERYWHERE: _("Everywhere"),
    "merge": _("Merge labels"),
    "review": _("Review"),
    "run": _("A run"),
    "prompts": _("Prompts"),
}
CATEGORY_KEYS = "123456789qwert"
CAPTIONS = {
    "Enter": "↵",
    "Space": "␣",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "ArrowLeft": "←",
    "ArrowRight": "→",
}
# Escape and Tab belong to the browser: they lead out of whatever has the focus.
NAMED = ("Enter", "Space", "Backspace", "Delete", "Home", "End", "PageUp", "PageDown")
ARROWS = ("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight")


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does: `action` is its name in templates and in `User.keys`, `key` the one it has by default."""

    action: str
    key: str
    place: str
    text: Promise


class UnknownKey(ValueError):
    """A text that is not the name of one key that can be given to an action."""


class KeyTaken(ValueError):
    """Two actions of one page would have the same key."""

    def __init__(self, key: str, first: Key, second: Key) -> None:
        super().__init__(f"{key} would be both {first.action} and {second.action}")
        self.key, self.first, self.second = key, first, second


TABLE = (
    Key("keys", "?", EVERYWHERE, _("Keyboard shortcuts")),
    Key("search", "/", EVERYWHERE, _("Search")),
    Key("merge-accept", "Enter", "merge", _("Accept the suggestion")),
    Key("merge-next", "j", "merge", _("Next row")),
    Key("merge-before", "k", "merge", _("Row before")),
    Key("merge-open", "o", "merge", _("Open or fold the proposal")),
    Key("merge-tick", "Space", "merge", _("Tick or untick the label")),
    Key("merge-undecided-next", "]", "merge", _("Next undecided")),
    Key("merge-undecided-before", "[", "merge", _("Undecided before")),
    Key("merge-apart", "x", "merge", _("Not together")),
    Key("merge-split", "s", "merge", _("Let the label stand for itself")),
    Key("merge-name", "m", "merge", _("Merge under a common name")),
    Key("merge-none", "u", "merge", _("Make undecided")),
    Key("merge-flag", "f", "merge", _("Flag for the lead")),
    Key("merge-comment", "c", "merge", _("Comment")),
    Key("merge-others", "n", "merge", _("Other examples")),
    Key("merge-anew", "p", "merge", _("Propose anew")),
    Key("merge-guide", "g", "merge", _("What belongs into the category")),
    Key("merge-keep", "a", "merge", _("Keep what the other decided")),
    Key("merge-mine", "y", "merge", _("Take mine")),
    Key("merge-discuss", "d", "merge", _("Discuss with the lead")),
    Key("merge-first", "h", "merge", _("Settle on the first answer")),
    Key("merge-second", "l", "merge", _("Settle on the second answer")),
    Key("merge-undo", "z", "merge", _("Undo")),
    Key("merge-redo", "Shift+z", "merge", _("Redo")),
    *(
        Key(f"merge-category-{number}", key, "merge", format_lazy(_("Category {number}"), number=number))
        for number, key in enumerate(CATEGORY_KEYS, 1)
    ),
    Key("merge-drop", "0", "merge", _("Not used")),
    Key("review-safe", "1", "review", _("Safe")),
    Key("review-unsafe", "2", "review", _("Unsafe")),
    Key("review-cannot-tell", "3", "review", _("Cannot tell")),
    Key("review-skip", "s", "review", _("Skip")),
    Key("review-undo", "z", "review", _("Undo")),
    Key("prompts-next", "j", "prompts", _("Next row")),
    Key("prompts-before", "k", "prompts", _("Row before")),
    Key("prompts-open", "Enter", "prompts", _("Open the row")),
    Key("prompts-page-next", "n", "prompts", _("Next page")),
    Key("prompts-page-before", "p", "prompts", _("Page before")),
    Key("run-pause", "p", "run", _("Pause or resume")),
)
BY_ACTION = {one.action: one for one in TABLE}


def keys_of(user: Any) -> dict[str, str]:
    """Action → key for this person, who may be anonymous."""
    own = user.keys if isinstance(user, User) else {}
    return {one.action: own.get(one.action, one.key) for one in TABLE}


def caption(key: str) -> str:
    """What is printed on a button for a key: "⇧Z" for Shift+z."""
    shift, _plus, name = key.rpartition("+") if len(key) > 1 else ("", "", key)
    return f"⇧{name.upper()}" if shift else CAPTIONS.get(name, name)


def as_key(text: str) -> str:
    """The key that the text names: one character, a capital for Shift and a letter, or a name as "Enter".

    Raises UnknownKey.
    """
    name = text.strip()
    if not name and text:
        return "Space"
    if re.fullmatch(r"(?i:shift\+)[A-Za-z]|[A-Z]", name):
        return f"Shift+{name[-1].lower()}"
    if len(name) == 1 and name.isprintable():
        return name.lower()
    for known in (*NAMED, *ARROWS):
        if name.lower() == known.lower():
            return known
    raise UnknownKey(text)


def keys_set(*, user: User, keys: Mapping[str, str]) -> None:
    """Give the person these keys; an action that is not named has its default. Raises UnknownKey, KeyTaken, KeyError.

    Only what differs from the table is kept, so that a default changed later reaches everybody who has it.
    """
    wanted = {action: as_key(key) for action, key in keys.items()}
    _refuse_same({one.action: wanted.get(one.action, one.key) for one in TABLE})
    user.keys = {action: key for action, key in wanted.items() if key != BY_ACTION[action].key}
    user.save(update_fields=["keys"])


def _refuse_same(keys: Mapping[str, str]) -> None:
    """Raises KeyTaken for two equal keys in one place, or in one place and everywhere."""
    seen: dict[tuple[str, str], Key] = {}
    for one in TABLE:
        key = keys[one.action]
        for place in PLACES if one.place == EVERYWHERE else (one.place,):
            if (place, key) in seen:
                raise KeyTaken(key, seen[place, key], one)
            seen[place, key] = one
