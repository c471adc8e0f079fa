"""Which version of the merge map a run reads. What it writes can be made again on another one."""

from __future__ import annotations

from django.db import transaction

from annotation.models import MergeMap
from annotation.selectors import map_published, maps_published
from madsafe_web.core.models import Run
from madsafe_web.core.runs.errors import StageError


def map_of(run: Run) -> MergeMap:
    """The published map of the version that the run's parameter `map` names, else the newest when it is first asked.

    The version is noted in the run's outputs as `map`, so a map published meanwhile changes nothing. Raises StageError
    when there is no such map.
    """
    version = run.outputs.get("map") or run.params.get("map")
    if version is None:
        found = map_published()
    elif not (named := maps_published().filter(version=version).first()):
        raise StageError(f"There is no published map v{version}. Name one that there is, or none for the newest.")
    else:
        found = named
    if run.outputs.get("map") != found.version:
        _note(run, found.version)
    return found


@transaction.atomic
def _note(run: Run, version: int) -> None:
    held = Run.objects.select_for_update().filter(pk=run.pk).first()
    run.outputs = {**(held.outputs if held else run.outputs), "map": version}
    if held:  # a dry run plans one that is not stored
        Run.objects.filter(pk=run.pk).update(outputs=run.outputs)
