"""Into which category the rows of runs belong, for the count of what providers refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from annotation.models import MapEntry
from annotation.selectors import categories_ever, map_newest_published, prompt_categories


def of_prompts(keys: Sequence[str]) -> dict[str, str]:
    """Keys that begin with the id of a prompt, by the newest published map."""
    merge_map = map_newest_published()
    if merge_map is None:
        return {}
    ids = {key: int(first) for key in keys if (first := key.partition(":")[0]).isdecimal()}
    codes = prompt_categories(merge_map, sorted(set(ids.values())))
    return _named({key: codes[pk] for key, pk in ids.items() if pk in codes})


def of_labels(keys: Sequence[str]) -> dict[str, str]:
    """Ids of labels, by the newest published map."""
    ids = [int(key) for key in keys if key.isdecimal()]
    entries = MapEntry.objects.filter(merge_map=map_newest_published(), category__isnull=False, label__in=ids)
    return _named({str(pk): code for pk, code in entries.values_list("label", "category__code")})


def of_codes(keys: Sequence[str]) -> dict[str, str]:
    """Keys that begin with the code of a category."""
    return _named({key: key.partition(":")[0] for key in keys})


def _named(codes: Mapping[str, str]) -> dict[str, str]:
    names = names_of(set(codes.values()))
    return {key: names[code] for key, code in codes.items() if code in names}


def names_of(codes: Collection[str]) -> dict[str, str]:
    """Code → code and name in the language of the reader, as the newest taxonomy with that code has it."""
    return {code: f"{code} {one.name}" for code, one in categories_ever(codes).items()}
