"""Near-duplicates: exact Jaccard similarity of character 3-gram sets, found by a prefix filter.

No hashing and no sampling: short texts (about 34 grams) make MinHash with LSH miss about half of the pairs that lie at
the threshold. Measured on one core: 100,000 prompts of 36 characters 5.8 s and 215 MB; 20,000 S-Eval prompts, half of
them attacks of 428 characters on shared scaffolds, 2.6 s and 116 MB. Only workers import this module: it loads numpy.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# No two of the 10,000 S-Eval base prompts reach 0.7. Of its 10,000 attack prompts 3,286 fall at 0.7, 2,646 at 0.8 and
# 1,425 at 0.9, because the scaffold outweighs the request inside it: judge those by the prompts they were made from.
THRESHOLD = 0.7
GRAM = 3
_BLOCK_TEXTS, _BLOCK_CHARS = 2048, 100_000  # bounds memory and, among long texts, the work inside one block
_MOST_AT_ONCE = 1_000_000  # postings, or grams, held for one text
_BITS = 21  # of a code point
_EMPTY = np.empty(0, dtype=np.int32)

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Near = tuple[int, float]  # index of a text, Jaccard similarity to it (0..1)


def near_pairs(texts: Sequence[str], threshold: float = THRESHOLD) -> Iterator[tuple[int, int, float]]:
    """Every pair (i, j, similarity) with i < j and similarity >= threshold, by j and then i. Exact.

    A generator: thousands of texts on one scaffold make millions of pairs. Raises ValueError unless 0 < threshold <= 1.
    """
    index = NearIndex(threshold)
    for block in index._learn(texts):
        for text, (docs, similarities) in index._joined(block):
            for doc, similarity in zip(docs.tolist(), similarities.tolist(), strict=True):
                yield doc, text, similarity


def duplicates(texts: Sequence[str], threshold: float = THRESHOLD) -> list[Near | None]:
    """For each text the earliest kept text that it is nearly the same as, or None: then the text is kept itself.

    Greedy in the order given: a text is compared with kept texts only, so there are no chains of ever less similar
    ones, and a scaffold shared by thousands of texts costs no more than its kept ones. Texts without a letter or
    digit are always kept. Raises ValueError unless 0 < threshold <= 1.
    """
    index = NearIndex(threshold)
    found: list[Near | None] = []
    for block in index._learn(texts):
        for text, (docs, similarities) in index._joined(block):
            found.append((int(docs[0]), float(similarities[0])) if len(docs) else None)
            if len(docs):
                index._drop(text)
        index._sweep()
    return found


class NearIndex:
    """A growing collection of texts that can be asked for the nearest one.

    `threshold` is the lowest similarity that `find` can be asked for; the lower, the slower.
    Not for use by several threads at once.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = _checked(threshold)
        self._grams: Longs = np.empty(0, dtype=np.int64)  # sorted; `_serials` beside it
        self._serials: Ints = _EMPTY  # 0 = commonest in the first texts; later grams follow: rare ones are high
        self._tokens: list[Ints] = []  # serials of each text, rare ones first
        self._sizes = np.empty(0, dtype=np.int32)
        self._alive = np.empty(0, dtype=np.bool_)
        self._postings: Longs = np.empty(0, dtype=np.int64)  # sorted: serial << 32 | text
        self._docs: Ints = _EMPTY  # the lower half of `_postings`
        self._marks = np.empty(0, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._tokens)

    def add(self, texts: Sequence[str]) -> None:
        """Put texts behind those already there; the first of all texts has index 0."""
        for block in self._learn(texts):
            self._append(self._ordered(block))

    def find(self, texts: Sequence[str], threshold: float | None = None) -> list[Near | None]:
        """For each text the most similar indexed one (of equals the first) with similarity >= threshold, or None.

        Raises ValueError for a threshold under the index's own.
        """
        wanted = self.threshold if threshold is None else _checked(threshold)
        if wanted < self.threshold:
            raise ValueError(f"The index finds similarities from {self.threshold}, asked for {wanted}.")
        found: list[Near | None] = []
        for block in _blocks(texts):
            for docs, similarities in self._matches(self._ordered(block), wanted, lambda _: len(self)):
                best = int(similarities.argmax()) if len(docs) else -1
                found.append((int(docs[best]), float(similarities[best])) if best >= 0 else None)
        return found

    def _learn(self, texts: Sequence[str]) -> list[_Block]:
        """Give every unknown gram a serial, the commonest first. Serials never change: only their order must last."""
        blocks = list(_blocks(texts))
        if not blocks:
            return blocks
        grams, where = np.unique(np.concatenate([block.grams for block in blocks]), return_inverse=True)
        counts = np.zeros(len(grams), dtype=np.int64)
        np.add.at(counts, where, np.concatenate([np.bincount(b.ids, minlength=len(b.grams)) for b in blocks]))
        unknown = _lookup(self._grams, self._serials, grams) < 0
        grams, counts = grams[unknown], counts[unknown]
        serials = np.empty(len(grams), dtype=np.int32)
        serials[np.argsort(-counts, kind="stable")] = np.arange(len(grams), dtype=np.int32) + len(self._grams)
        places = np.searchsorted(self._grams, grams)
        self._grams = np.insert(self._grams, places, grams)
        self._serials = np.insert(self._serials, places, serials)
        self._marks = np.zeros(len(self._grams), dtype=np.uint8)
        return blocks

    def _ordered(self, block: _Block) -> _Ordered:
        serials = _lookup(self._grams, self._serials, block.grams)[block.ids].astype(np.int64)
        known = serials >= 0
        rows = np.repeat(np.arange(len(block.sizes), dtype=np.int64), block.sizes)[known]
        keys = np.sort(rows << 32 | (0xFFFFFFFF - serials[known]))
        bounds = np.searchsorted(keys, np.arange(len(block.sizes) + 1, dtype=np.int64) << 32)
        return _Ordered((0xFFFFFFFF - (keys & 0xFFFFFFFF)).astype(np.int32), bounds, block.sizes)

    def _append(self, rows: _Ordered) -> None:
        first = len(self)
        self._tokens.extend(rows.tokens[start:end] for start, end in zip(rows.bounds, rows.bounds[1:], strict=False))
        self._sizes = np.concatenate([self._sizes, rows.sizes])
        self._alive = np.concatenate([self._alive, np.ones(len(rows.sizes), dtype=np.bool_)])
        tokens, owners = rows.prefixes(self.threshold)
        added = np.sort(tokens.astype(np.int64) << 32 | (owners + first))
        # Two sorted runs: the stable sort merges them in linear time.
        self._set_postings(np.sort(np.concatenate([self._postings, added]), kind="stable"))

    def _set_postings(self, postings: Longs) -> None:
        self._postings = postings
        self._docs = (postings & 0xFFFFFFFF).astype(np.int32)

    def _drop(self, doc: int) -> None:
        self._alive[doc] = False

    def _sweep(self) -> None:
        """Take dropped texts out of the postings."""
        self._set_postings(self._postings[self._alive[self._docs]])

    def _joined(self, block: _Block) -> Iterator[tuple[int, tuple[Ints, NDArray[np.float64]]]]:
        """Append a block; give each of its texts the earlier ones near it, as they stand when its turn comes."""
        first, rows = len(self), self._ordered(block)
        self._append(rows)
        matches = self._matches(rows, self.threshold, lambda row: first + row)
        for row, match in enumerate(matches):
            yield first + row, match

    def _matches(
        self, rows: _Ordered, threshold: float, below: Callable[[int], int]
    ) -> Iterator[tuple[Ints, NDArray[np.float64]]]:
        """For each row the living texts with an index under below(row) and similarity >= threshold, in order."""
        tokens, owners = rows.prefixes(threshold)
        starts = np.searchsorted(self._postings, tokens.astype(np.int64) << 32)
        ends = np.searchsorted(self._postings, (tokens.astype(np.int64) + 1) << 32)
        hit = ends > starts
        bounds = np.searchsorted(owners[hit], np.arange(len(rows.sizes) + 1))
        spans = list(zip(starts[hit].tolist(), ends[hit].tolist(), strict=True))
        for row, size in enumerate(rows.sizes.tolist()):
            docs = self._candidates(spans[bounds[row] : bounds[row + 1]], size, threshold, below(row))
            if not len(docs):
                yield docs, np.empty(0)
                continue
            similarities = self._similarities(rows.tokens[rows.bounds[row] : rows.bounds[row + 1]], size, docs)
            near = similarities >= threshold
            yield docs[near], similarities[near]

    def _candidates(self, spans: list[tuple[int, int]], size: int, threshold: float, below: int) -> Ints:
        pieces: list[Ints] = []
        held = 0
        for start, end in spans:
            pieces.append(self._docs[start:end])
            held += end - start
            if held > _MOST_AT_ONCE:
                pieces, held = [self._usable(pieces, size, threshold, below)], 0
        return self._usable(pieces, size, threshold, below) if pieces else _EMPTY

    def _usable(self, pieces: list[Ints], size: int, threshold: float, below: int) -> Ints:
        docs = np.concatenate(pieces)
        docs = docs[(docs < below) & self._alive[docs]]
        sizes = self._sizes[docs]
        # Sets of too different sizes cannot be similar enough; the margin leaves rounding to the exact comparison.
        docs = docs[np.minimum(sizes, size) >= threshold * np.maximum(sizes, size) - 1e-9]
        return np.unique(docs)

    def _similarities(self, tokens: Ints, size: int, docs: Ints) -> NDArray[np.float64]:
        sizes = self._sizes[docs].astype(np.int64)
        shared = np.empty(len(docs), dtype=np.int64)
        self._marks[tokens] = 1
        start = 0
        while start < len(docs):
            end = max(start + 1, start + int(np.searchsorted(np.cumsum(sizes[start:]), _MOST_AT_ONCE)))
            flat = np.concatenate([self._tokens[doc] for doc in docs[start:end].tolist()])
            firsts = np.concatenate(([0], np.cumsum(sizes[start : end - 1])))
            shared[start:end] = np.add.reduceat(self._marks[flat], firsts, dtype=np.int64)
            start = end
        self._marks[tokens] = 0
        return shared / (sizes + size - shared)


@dataclass(frozen=True, slots=True)
class _Block:
    """Gram sets of some texts: `ids` points into `grams`, text after text, `sizes` grams each."""

    grams: Longs
    ids: Ints
    sizes: Ints


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Serials of some texts, rare grams first: text r has tokens[bounds[r]:bounds[r + 1]] and `sizes[r]` grams in all.

    Grams that the index does not know count in the size alone, as the rarest of all.
    """

    tokens: Ints
    bounds: NDArray[np.intp]
    sizes: Ints

    def prefixes(self, threshold: float) -> tuple[Ints, Longs]:
        """(tokens, row of each) among which similar texts must share one: all but the ceil(t * size) - 1 commonest."""
        known = np.diff(self.bounds)
        needed = np.ceil(threshold * self.sizes - 1e-9).astype(np.int64)
        lengths = np.maximum(0, known - np.maximum(needed, 1) + 1)
        rows = np.repeat(np.arange(len(known), dtype=np.int64), known)
        place = np.arange(len(self.tokens)) - np.repeat(self.bounds[:-1], known)
        kept = place < lengths[rows]
        return self.tokens[kept], rows[kept]


class _Bare(dict[int, str]):
    """Code point -> its NFKC, case-folded form without punctuation, symbols, blanks and control characters."""

    def __missing__(self, code: int) -> str:
        text = unicodedata.normalize("NFKC", chr(code)).casefold()
        value = self[code] = "".join(char for char in text if unicodedata.category(char)[0] in "LMN")
        return value


_BARE = _Bare()


def _checked(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ValueError(f"A similarity threshold lies over 0 and at most at 1, not at {threshold}.")
    return threshold


def _lookup(grams: Longs, serials: Ints, wanted: Longs) -> Ints:
    """Serials of the wanted grams, -1 for unknown ones."""
    if not len(grams):
        return np.full(len(wanted), -1, dtype=np.int32)
    places = np.minimum(np.searchsorted(grams, wanted), len(grams) - 1)
    return np.where(grams[places] == wanted, serials[places], np.int32(-1))


def _blocks(texts: Sequence[str]) -> Iterator[_Block]:
    held: list[str] = []
    chars = 0
    for text in texts:
        bare = text.translate(_BARE)
        # NUL never survives the table, so a filled-up short text equals only itself.
        held.append(bare.ljust(GRAM, "\0") if bare else "")
        chars += len(bare)
        if len(held) >= _BLOCK_TEXTS or chars >= _BLOCK_CHARS:
            yield _block(held)
            held, chars = [], 0
    if held:
        yield _block(held)


def _block(texts: list[str]) -> _Block:
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), [len(text) for text in texts])
    grams = codes[:-2] << 2 * _BITS | codes[1:-1] << _BITS | codes[2:]
    whole = rows[:-2] == rows[2:]
    vocabulary, ids = np.unique(grams[whole], return_inverse=True)
    keys = np.unique(rows[:-2][whole] * max(1, len(vocabulary)) + ids)
    owners, ids = np.divmod(keys, max(1, len(vocabulary)))
    sizes = np.bincount(owners, minlength=len(texts))
    return _Block(vocabulary, ids.astype(np.int32), sizes.astype(np.int32))
