"""Into which category the rows of an evaluation belong, for the count of what providers refused."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.refused import names_of
from evaluation.models import Item


def of_items(keys: Sequence[str]) -> dict[str, str]:
    """Keys "evaluation id:item id", by the category in the benchmark's own scheme, with its name where it is ours."""
    ids = {key: int(item) for key in keys if (item := key.rpartition(":")[2]).isdecimal()}
    found = dict(Item.objects.filter(pk__in=sorted(set(ids.values()))).values_list("pk", "category"))
    names = names_of(set(found.values()))
    return {key: names.get(found[pk], found[pk]) for key, pk in ids.items() if pk in found}
