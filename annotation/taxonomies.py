"""Making versions of the taxonomy, and writing the guidelines of its categories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import orjson
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.merge.drafts import map_draft_open, taxonomy_locked
from annotation.merge.moving import draft_move
from annotation.merge.states import DROP
from annotation.models import Category, Guideline, MergeMap, Taxonomy
from annotation.selectors import categories
from annotation.taxonomy import CategoryRow, rows_sha256
from madsafe_web.core.audit import audit
from madsafe_web.core.llm.parse import NO_CATEGORY
from madsafe_web.core.models import User

CODE = re.compile(r"[A-Z0-9]{2,8}")
KEPT = frozenset({DROP, NO_CATEGORY})  # words that stand for no category
MOST, LONGEST_NAME, LONGEST_TEXT, LONGEST_NOTE = 24, 60, 2000, 300
NAMES, DEFINITIONS = ("name_en", "name_zh"), ("definition_en", "definition_zh")
TEXTS = (*DEFINITIONS, "examples_en", "examples_zh")


class TaxonomyRefused(ValueError):
    """A taxonomy or a guideline that cannot be taken; the text says why, in the language of the reader."""


class TaxonomyMoved(TaxonomyRefused):
    """Somebody made a version since the one that was edited."""


def rows_of(taxonomy: Taxonomy) -> list[CategoryRow]:
    """The categories of a taxonomy as plain values, in their order."""
    names = [one.name for one in fields(CategoryRow)]
    return [CategoryRow(*values) for values in categories(taxonomy).values_list(*names)]


@transaction.atomic
def taxonomy_make(
    *,
    user: User | None,
    name: str,
    rows: Sequence[CategoryRow],
    note: str = "",
    parent: Taxonomy | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Taxonomy:
    """The next version of the taxonomy, with these categories in this order.

    The open draft goes on with it, or one is opened for that: labels keep their category by its code, follow it where
    it is `renamed` (old code → new), and are undecided where it went. Published maps stay as they are. Each category
    keeps the newest guideline of its code. Raises TaxonomyRefused for what is no taxonomy and for one that is equal to
    the newest; TaxonomyMoved when `parent`, which was edited, is not the newest any more.
    """
    newest, renamed = taxonomy_locked(), renamed or {}
    before = rows_of(newest)
    if parent is not None and parent.pk != newest.pk:
        raise TaxonomyMoved(
            _("Version %(version)s was made meanwhile. Look at it first.") % {"version": newest.version}
        )
    for problem in problems(name, note, rows, renamed, before):
        raise TaxonomyRefused(problem)
    digest = rows_sha256(rows)
    if digest == rows_sha256(before):
        raise TaxonomyRefused(_("Nothing is different from version %(version)s.") % {"version": newest.version})
    made = Taxonomy.objects.create(
        version=newest.version + 1, name=name, note=note, parent=newest, author=user, sha256=digest
    )
    Category.objects.bulk_create(
        [Category(taxonomy=made, position=place, **asdict(row)) for place, row in enumerate(rows, 1)]
    )
    _guidelines_carry(newest, made, renamed)
    if MergeMap.objects.exists():
        draft_move(draft=map_draft_open(user), taxonomy=made, user=user, renamed=renamed)
    facts = {"codes": [row.code for row in rows], "renamed": dict(renamed), "sha256": digest, "note": note}
    audit(user, "taxonomy.make", f"taxonomy {made}", **facts)
    return made


def problems(
    name: str, note: str, rows: Sequence[CategoryRow], renamed: Mapping[str, str], before: Iterable[CategoryRow]
) -> Iterator[str]:
    """What keeps these categories from being a taxonomy, in sentences."""
    if not 0 < len(name.strip()) <= 120 or len(note) > LONGEST_NOTE:
        yield _("The name needs 1 to 120 characters, the note at most 300.")
    if "\x00" in name + note:
        yield _("The name or the note holds a character that no text can hold.")
    if not 1 <= len(rows) <= MOST:
        yield _("A taxonomy has 1 to %(most)s categories.") % {"most": MOST}
    counts = Counter(row.code for row in rows)
    for code in (code for code, count in counts.items() if count > 1):
        yield _("The code %(code)s is there twice.") % {"code": code}
    for row in rows:
        yield from _row_problems(row)
    known = {row.code for row in before}
    for old, new in renamed.items():
        if old not in known or old in counts or new not in counts:
            yield _("%(old)s cannot become %(new)s.") % {"old": old, "new": new}


def _row_problems(row: CategoryRow) -> Iterator[str]:
    values, told = asdict(row), {"code": row.code}
    if not CODE.fullmatch(row.code) or row.code in KEPT:
        yield _("“%(code)s” is no code: 2 to 8 capital letters or digits, and neither DROP nor NONE.") % told
    if not all(0 < len(values[one].strip()) <= LONGEST_NAME for one in NAMES):
        yield _("%(code)s needs a name of at most 60 characters in both languages.") % told
    if not all(values[one].strip() for one in DEFINITIONS):
        yield _("%(code)s needs a definition in both languages.") % told
    if any(len(values[one]) > LONGEST_TEXT for one in TEXTS):
        yield _("A text of %(code)s is longer than 2000 characters.") % told
    if any("\x00" in value for value in values.values()):
        yield _("A text of %(code)s holds a character that no text can hold.") % told


def _guidelines_carry(old: Taxonomy, new: Taxonomy, renamed: Mapping[str, str]) -> None:
    """The newest guideline of each category goes on under its code, with its number and its author."""
    ids = dict(categories(new).values_list("code", "id"))
    found = {one.category.code: one for one in _guidelines(old)}
    carried = {renamed.get(code, code): one for code, one in found.items()} | {
        code: one for code, one in found.items() if code in ids
    }
    for code, one in carried.items():
        if code in ids:
            texts = {"text_en": one.text_en, "text_zh": one.text_zh}
            copy = Guideline.objects.create(category_id=ids[code], version=one.version, author=one.author, **texts)
            Guideline.objects.filter(pk=copy.pk).update(created=one.created)


def _guidelines(taxonomy: Taxonomy) -> Iterable[Guideline]:
    rows = Guideline.objects.filter(category__taxonomy=taxonomy).select_related("category", "author")
    return rows.order_by("version")


@transaction.atomic
def guideline_write(*, user: User | None, category: Category, text_en: str, text_zh: str) -> Guideline:
    """The next version of the guideline of a category.

    Raises TaxonomyRefused for a text that is too long, for one equal to the newest, and for an old taxonomy.
    """
    if category.taxonomy_id != taxonomy_locked().pk:
        raise TaxonomyRefused(_("This category is of an older version of the taxonomy."))
    if max(len(text_en), len(text_zh)) > LONGEST_TEXT or "\x00" in text_en + text_zh:
        raise TaxonomyRefused(_("A guideline has at most 2000 characters in each language."))
    newest = category.guidelines.order_by("-version").first()
    before = (newest.text_en, newest.text_zh) if newest else ("", "")
    if before == (text_en, text_zh):
        raise TaxonomyRefused(_("Nothing is different from the newest guideline."))
    version = newest.version + 1 if newest else 1
    written = Guideline.objects.create(
        category=category, version=version, text_en=text_en, text_zh=text_zh, author=user
    )
    audit(user, "guideline.write", f"category {category.code}", version=version)
    return written


# --- files ---


def taxonomy_json(taxonomy: Taxonomy) -> bytes:
    """A taxonomy as the file that another installation reads."""
    told = {"name": taxonomy.name, "note": taxonomy.note, "version": taxonomy.version}
    rows = [asdict(row) for row in rows_of(taxonomy)]
    return orjson.dumps({**told, "categories": rows}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def taxonomy_read(content: bytes) -> tuple[str, str, list[CategoryRow]]:
    """Name, note and categories of such a file. Raises TaxonomyRefused for any other."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise TaxonomyRefused(_("The file is no JSON: %(error)s.") % {"error": error}) from error
    if not isinstance(found, dict) or not isinstance(found.get("categories"), list):
        raise TaxonomyRefused(_("The file needs a name and a list of categories."))
    rows = [_row_read(row) for row in found["categories"]]
    return _text(found, "name"), _text(found, "note"), rows


def _row_read(found: object) -> CategoryRow:
    if not isinstance(found, dict):
        raise TaxonomyRefused(_("A category of the file is no object."))
    return CategoryRow(**{one.name: _text(found, one.name) for one in fields(CategoryRow)})


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise TaxonomyRefused(_("“%(name)s” must be a text.") % {"name": name})
    return value
