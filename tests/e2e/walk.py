"""What a page in the browser is checked for: accessibility, width, theme and untranslated words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.models import CharField, JSONField, TextField

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE = f"""axe.run(document, {{runOnly: {{type: "tag", values: {TAGS}}}, resultTypes: ["violations"]}}).then((found) =>
  found.violations.map((one) => `${{one.id}}: ${{one.nodes.map((node) => node.html.slice(0, 120)).join(" ~ ")}}`))"""
# Texts that a reader sees or hears, but for what is marked as being in another language or as no text at all.
TEXTS = """(() => {
  const skipped = "[lang=en], [translate=no], code, kbd, pre, script, style, template, [data-figure] svg";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  const heard = (node) => !node.closest(skipped) && node.checkVisibility();
  for (let node; (node = walker.nextNode());) if (heard(node.parentElement)) found.add(node.data.trim());
  for (const name of ["aria-label", "title", "placeholder", "alt"])
    for (const node of document.querySelectorAll(`[${name}]`)) if (heard(node)) found.add(node.getAttribute(name));
  return [...found, document.title];
})()"""
WORD = re.compile(r"[A-Za-z][A-Za-z-]+")
# Names of products, formats and measures, which are the same in every language; the 14 codes of the categories.
NAMES = """
MadSafe LLaMA-Factory SafetyBench CValues New-Safety S-Eval JADE Safety-Prompts Alpaca OpenAI Django PostgreSQL vLLM
API CSV JSON JSONL traceid Parquet URL HTML OpenAPI Python PyPI GPU bfloat IP UTC SHA sha Holm Markdown MiB GiB KB MB GB
Enter Space Shift Tab Escape Backspace Delete
OFF UB CIA PP EM PMH IA MI DP NS EX PR DT PS PH MH
"""
# Names of files and settings, and paths.
CODE = re.compile(r"[\w*/.~-]*[/._][\w*/.-]*\w")
# Values that the product itself chose for these fields are words of the page, not data.
CHOSEN = {"stage", "state", "kind", "role", "verb", "format", "language"}


def axe_script() -> str:
    """The checker of the pinned package."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def stored_words() -> set[str]:
    """Every word that stands in the database: names and texts that people or data sets gave."""
    found: set[str] = set()
    for model in apps.get_models():
        fields = [
            field for field in model._meta.concrete_fields if isinstance(field, CharField | TextField | JSONField)
        ]
        names = [field.name for field in fields if field.name not in CHOSEN and not field.choices]
        for row in model._default_manager.values_list(*names) if names else ():
            found.update(word for value in row for word in WORD.findall(str(value)))
    return found


def untranslated(texts: Iterable[str], known: set[str]) -> Iterator[str]:
    """The texts with a Latin word that is neither a name nor stored."""
    names = set(NAMES.split())
    for text in texts:
        words = [word for word in WORD.findall(CODE.sub("", text)) if word not in known and word not in names]
        if words:
            yield f"{text[:100]!r} ({', '.join(words[:5])})"


def problems(page: Any, axe: str, theme: str) -> Iterator[str]:
    """What is wrong with the page that is open, whatever its language."""
    page.evaluate(axe)
    yield from page.evaluate(AXE)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield "wider than the window"
    if page.evaluate("document.documentElement.dataset.bsTheme") != theme:
        yield "in the other theme"
