"""Bring the Chinese catalogue up to date with the texts of the product, and compile it.

`make messages` after changing a text: new texts stand in the catalogue without a translation, texts that no longer
occur are gone. Needs no GNU gettext. The catalogue is in alphabetical order, without line numbers, dates and paths, so
that a commit shows the changed texts and nothing else.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polib  # type: ignore[import-untyped]
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
TEMPLATES = ("templates",)
APPS = ("annotation", "evaluation", "madsafe_web", "pipeline")
METADATA = {
    "Project-Id-Version": "MadSafe",
    "Language": "zh_Hans",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}
# What the texts in a call are, in their order.
TEXTS = {
    "_": ("text",),
    "gettext": ("text",),
    "ngettext": ("text", "plural"),
    "pgettext": ("context", "text"),
    "npgettext": ("context", "text", "plural"),
}
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
PLACE = re.compile(r"%[(%sd]")
# A call in the Python-like text that Django makes of a template.
CALL = re.compile(rf"\b(?P<name>_|n?p?gettext)\((?P<texts>{LITERAL}(?:, {LITERAL})*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A text to translate. `context` tells equal texts with different meanings apart."""

    text: str
    context: str = ""
    plural: str = ""


def message(function: str, texts: Sequence[str]) -> Message:
    """The message of a call, by the name of the gettext function. Raises ValueError where a text is missing."""
    names = TEXTS[function]
    return Message(**dict(zip(names, texts[: len(names)], strict=True)))


def of_template(source: str) -> Iterator[Message]:
    """The messages of one Django template."""
    for call in CALL.finditer(templatize(source)):
        texts = [ast.literal_eval(text) for text in re.findall(LITERAL, call["texts"], re.DOTALL)]
        yield message(call["name"], texts)


def of_python(source: str) -> Iterator[Message]:
    """The messages of one Python file: calls whose texts are literals."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            function = call.func.id.removesuffix("_lazy")
            texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if function in TEXTS and texts:
                yield message(function, texts)


def product() -> set[Message]:
    """Every text of the product that can be translated."""
    found: set[Message] = set()
    for folder in TEMPLATES:
        for path in (ROOT / folder).rglob("*.html"):
            found.update(of_template(path.read_text(encoding="utf-8")))
    for folder in APPS:
        for path in (ROOT / folder).rglob("*.py"):
            found.update(of_python(path.read_text(encoding="utf-8")))
    return found


def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE), wrapwidth=0)


def key(entry: polib.POEntry) -> Message:
    return Message(entry.msgid, entry.msgctxt or "", entry.msgid_plural)


def renewed(old: Iterable[polib.POEntry], messages: Iterable[Message]) -> polib.POFile:
    """A catalogue of exactly these messages, with the translations that the old one has for them."""
    known = {key(entry): entry for entry in old if not entry.obsolete and not entry.fuzzy}
    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(METADATA)
    for one in sorted(messages):
        entry = polib.POEntry(msgid=one.text, msgctxt=one.context or None, msgid_plural=one.plural)
        before = known.get(one)
        if one.plural:
            entry.msgstr_plural = before.msgstr_plural if before else {0: ""}
        elif before:
            entry.msgstr = before.msgstr
        if PLACE.search(one.text):
            entry.flags.append("python-format")
        new.append(entry)
    return new


def main() -> int:
    """Write the catalogue and compile it; 1 while a text has no translation."""
    new = renewed(catalogue(), product())
    CATALOGUE.write_text(f"{str(new).rstrip()}\n", encoding="utf-8")
    CATALOGUE.with_suffix(".mo").write_bytes(new.to_binary())
    missing = new.untranslated_entries()
    for entry in missing:
        print(f"No translation yet: {entry.msgid}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
