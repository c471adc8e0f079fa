"""An import asked for by hand: what is imported how, the unfinished run of the same file, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db.models import Count

from annotation.detecting import GENERIC, detect, why_not
from annotation.importers._columns import column_map
from annotation.importers._guessing import guess
from annotation.importers.base import Importer, ImportOptions
from annotation.importing import content_digest
from annotation.mappings import mapping_of_file
from annotation.models import RejectedImport
from annotation.stages.import_ import File
from madsafe_web.core.models import Run, User
from madsafe_web.core.registry import plugins
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.textio import BadFile, sha256_file

AUTO = "auto"
PATHS = ("path", "answers", "dev")
MOST_REASONS = 100  # in a summary; the corpus keeps every row with its reason
_LARGEST_MAPPING = 1024 * 1024  # bytes


def importers() -> dict[str, Importer]:
    """Every importer by its name, the generic one last."""
    found: dict[str, Importer] = plugins("annotation.importers", "IMPORTER")
    return {**{name: one for name, one in found.items() if name != GENERIC}, GENERIC: found[GENERIC]}


def declare(
    format_name: str,
    path: Path,
    *,
    answers: Path | None = None,
    dev: Path | None = None,
    mapping: Path | None = None,
    **rest: str,
) -> dict[str, Any]:
    """One file as the stage `import` takes it; `rest` are the name, role and split of the corpus.

    Raises ConfigError for a format or file that there is not, or a mapping that cannot be used.
    """
    if format_name != AUTO and format_name not in importers():
        raise ConfigError(f"There is no format '{format_name}'. Known: {AUTO}, {', '.join(importers())}.")
    for one in filter(None, (path, answers, dev, mapping)):
        if not one.exists():
            raise ConfigError(f"There is no file {one}. Correct the path.")
    options = ImportOptions(answers=answers, dev=dev, split=rest.get("split", ""), mapping=_mapping(mapping))
    found, columns = _decided(format_name, path, options)
    given = {"answers": answers, "dev": dev, "path": path}
    paths = {key: portable(one) if one else "" for key, one in given.items()}
    return asdict(File(**{**rest, **paths}, format=found, mapping=columns))  # type: ignore[arg-type]


def _mapping(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        if path.stat().st_size > _LARGEST_MAPPING:
            raise ConfigError(f"{path} is too large for a mapping. Give the JSON file that names the columns.")
        found = orjson.loads(path.read_bytes())
    except (orjson.JSONDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}.") from error
    column_map(found)
    return dict(found)


def _decided(name: str, path: Path, options: ImportOptions) -> tuple[str, dict[str, Any]]:
    """The format and the mapping to read by; what is guessed is written down with the run.

    A mapping that people used on the pages for files with these columns comes before a guess, as it does there.
    """
    mapping = dict(options.mapping)
    try:
        if name == AUTO and not mapping:
            return _detected(path, options)
        if name in (AUTO, GENERIC):
            return GENERIC, mapping or mapping_of_file(path) or guess(path)
        return name, mapping
    except BadFile:
        return name, {}  # the run says what is wrong with it
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _detected(path: Path, options: ImportOptions) -> tuple[str, dict[str, Any]]:
    found = detect(path, options)
    if found and found[0].name != GENERIC:
        return found[0].name, found[0].mapping
    if saved := mapping_of_file(path):
        return GENERIC, saved
    if not found:
        raise ConfigError(f"{why_not(path, options)}.")
    return GENERIC, found[0].mapping


def portable(path: Path) -> str:
    """A path as runs keep it: relative to the project folder where it lies inside."""
    path, base = path.resolve(), Path(settings.BASE_DIR)
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def import_run(*, declared: dict[str, Any], user: User | None, mapped: bool = True) -> Run:
    """The unfinished run of the same import where there is one, else a new one in draft. Raises ConfigError.

    Where nobody gave the mapping (not `mapped`), the run goes on with the one that it began with, though people may
    have saved another since.
    """
    unfinished = Run.objects.filter(stage="import", chain="", params__files__0__path=declared["path"])
    for run in unfinished.exclude(state__in=service.FINISHED).order_by("-pk"):
        same = _same(run.params["files"], declared, mapped=mapped)
        if same and _goes_on(run, declared):
            return run
    return service.run_create(stage_name="import", values={"files": [declared]}, user=user)


def _same(files: list[dict[str, Any]], declared: dict[str, Any], *, mapped: bool) -> bool:
    return files == [declared] or (
        not mapped and [{**one, "mapping": declared["mapping"]} for one in files] == [declared]
    )


def _goes_on(run: Run, declared: dict[str, Any]) -> bool:
    """Whether the file, and those that go with it, are still what the run began to import."""
    begun = _cursor(run).get("content")
    path, *others = (Path(settings.BASE_DIR, name) if name else None for name in map(declared.get, PATHS))
    if begun is None or path is None or not all(one.is_file() for one in (path, *others) if one):
        return True
    return bool(begun == content_digest(sha256_file(path), *others))


def _cursor(run: Run) -> dict[str, Any]:
    cursor: dict[str, Any] = run.chunks.values_list("cursor", flat=True).first() or {}
    return cursor


def summary(run: Run) -> dict[str, Any]:
    """What an import did: read = imported + duplicates + rejected. `reasons` counts rejected rows by field and reason.

    `warnings` counts what was imported without a part of it.
    """
    sums, cursor = service.counts(run), _cursor(run)
    grouped = RejectedImport.objects.filter(run=run).values_list("field", "reason").annotate(count=Count("id"))
    reasons: Counter[str] = Counter()
    for field, reason, count in grouped.order_by("-count", "field", "reason")[:MOST_REASONS]:
        reasons[f"{field}: {reason}" if field else reason] += count
    return {
        "read": sums["read"],
        "imported": sums["kept"],
        "duplicates": sums["duplicate"],
        "rejected": sums["rejected"],
        "reasons": dict(reasons),
        "warnings": cursor.get("warnings") or {},
        "corpus": cursor.get("corpus"),
    }
