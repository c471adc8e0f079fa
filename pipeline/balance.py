"""Balance between categories: who is kept, what is missing, how perplex a prompt may be. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b


def reject(
    rows: Iterable[tuple[str, str]],
    *,
    seed: int,
    quota: Mapping[str, int] | int = 0,
    max_share: float | None = None,
) -> tuple[list[str], list[str]]:
    """Rejection sampling over (id, category): gives (kept ids, rejected ids), both in the order given.

    `quota`: rows a category keeps at most (one number for all, or by category; a category not named keeps all).
    `max_share`: the largest part of the kept rows that one category may make up, 0 < share <= 1; a category is never
    cut below its `quota` by it. Give one or both. Where both are given, the share decides how many rows stay and the
    quota is the floor; where only `quota` is given it is the ceiling.
    Which rows stay is decided by a hash of seed and id: the same in any order of the rows, and rows that come later
    push out few of those kept before. Raises ValueError for a share out of range or when nothing limits.
    """
    held = list(rows)
    counts = Counter(category for _, category in held)
    limits = _limits(counts, quota, max_share)
    by_category: dict[str, list[str]] = defaultdict(list)
    for row_id, category in held:
        by_category[category].append(row_id)
    kept = {
        category: set(sorted(ids, key=lambda row_id: _draw(seed, row_id))[: limits[category]])
        for category, ids in by_category.items()
    }
    accepted = [row_id for row_id, category in held if row_id in kept[category]]
    rejected = [row_id for row_id, category in held if row_id not in kept[category]]
    return accepted, rejected


def augmentation_plan(counts: Mapping[str, int], target: Mapping[str, int] | int) -> dict[str, int]:
    """Rows missing to the target, for each category that is short, the shortest first (ties by name).

    `target` is one number for every category of `counts`, or a number by category; a category that only the target
    names has no rows yet. Raises ValueError for a negative count or target.
    """
    targets = target if isinstance(target, Mapping) else dict.fromkeys(counts, target)
    if any(number < 0 for number in (*counts.values(), *targets.values())):
        raise ValueError("Counts and targets cannot be negative.")
    missing = {category: wanted - counts.get(category, 0) for category, wanted in targets.items()}
    short = ((category, number) for category, number in missing.items() if number > 0)
    return dict(sorted(short, key=lambda item: (-item[1], item[0])))


def perplexity_limit(perplexities: Sequence[float], quantile: float) -> float:
    """The `max_ppl` under which a part of the rows lies: the smallest given value that at least `quantile` reach.

    0 < quantile <= 1; 1 keeps every row. A value that occurs, not a point between two, so that the rule shown to
    people is exact. Raises ValueError without values, for a quantile out of range or a perplexity under 1.
    """
    if not perplexities or not 0 < quantile <= 1:
        raise ValueError("A perplexity limit needs values, and a quantile over 0 and at most 1.")
    if not all(math.isfinite(value) and value >= 1 for value in perplexities):
        raise ValueError("A perplexity is a finite number from 1.")
    ordered = sorted(perplexities)
    return ordered[max(0, math.ceil(quantile * len(ordered) - 1e-9) - 1)]


def _limits(counts: Mapping[str, int], quota: Mapping[str, int] | int, max_share: float | None) -> dict[str, int]:
    quotas = quota if isinstance(quota, Mapping) else (dict.fromkeys(counts, quota) if quota else {})
    if max_share is None:
        if not quotas and counts:
            raise ValueError("Give a quota or a largest share.")
        return {category: min(number, quotas.get(category, number)) for category, number in counts.items()}
    if not 0 < max_share <= 1:
        raise ValueError(f"A largest share lies over 0 and at most at 1, not at {max_share}.")
    ceiling = _ceiling(counts.values(), max_share)
    return {category: min(number, max(ceiling, quotas.get(category, 0))) for category, number in counts.items()}


def _ceiling(counts: Iterable[int], max_share: float) -> int:
    """The largest c for which min(count, c) <= max_share of their sum, for every category.

    With k categories cut down to c and r rows in the others, c <= max_share * (k * c + r). Where even equal
    categories exceed the share (fewer than 1 / max_share of them), the smallest one's count: as equal as can be.
    """
    ordered = sorted(counts, reverse=True)
    rest = sum(ordered)
    for cut, number in enumerate(ordered):
        # The first `cut` categories are cut down, `rest` rows stand in the others.
        if number <= max_share * (cut * number + rest) + 1e-9:
            room = 1 - max_share * cut
            return number if not cut else max(number, math.floor(max_share * rest / room + 1e-9))
        rest -= number
    return ordered[-1] if ordered else 0


def _draw(seed: int, row_id: str) -> tuple[bytes, str]:
    return blake2b(f"{seed}\0{row_id}".encode(), digest_size=8).digest(), row_id
