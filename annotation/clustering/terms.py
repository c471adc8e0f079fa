"""Texts as vectors of the characters, or pairs of them, that they hold: counted by numpy for all texts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from annotation.tallies import grouped

Array = np.ndarray[Any, Any]

AT_ONCE = 2_000_000  # characters counted together
FULL = 8  # a term that one row in so many holds is multiplied faster as a full column
BITS = 21  # of a character
TERM = 2 * BITS  # and of a term: a character stands below the one before it
EDGE = "\n"  # stands before and behind each text, which holds none


def counted(documents: Sequence[Sequence[str]], sizes: Sequence[int] = (2,)) -> Any:
    """How often each term stands in the texts of each document: documents × terms, sparse.

    Terms are characters (size 1) and pairs of them (2), without case; white space counts as one blank.
    """
    from scipy.sparse import csr_matrix

    pieces = [_counted(start, some, sizes) for start, some in _pieces(documents)]
    rows, terms, numbers = (np.concatenate(part) for part in zip(*pieces, strict=True))
    known, _ = grouped(terms)
    starts = np.searchsorted(rows, np.arange(len(documents) + 1))
    shape = len(documents), max(len(known), 1)
    return csr_matrix((numbers.astype(np.float32), np.searchsorted(known, terms), starts), shape=shape)


def weighed(counts: Any, weights: Array) -> Any:
    """The counts times the weights of their terms, in rows of length 1; a row that holds no term stays 0."""
    found = counts.copy()
    found.data *= weights[found.indices]
    squares = np.asarray(found.multiply(found).sum(axis=1)).ravel()
    found.data /= np.repeat(np.sqrt(squares), np.diff(found.indptr))
    return found


def likeness(vectors: Any) -> Array:
    """The products of all rows with each other."""
    many = np.bincount(vectors.indices, minlength=vectors.shape[1]) * FULL > vectors.shape[0]
    full, rest = vectors[:, many].toarray(), vectors[:, ~many]
    found: Array = full @ full.T
    found += (rest @ rest.T).toarray()
    return found


def likeness_among(vectors: Any, start: int, end: int) -> Array:
    """The products of some rows with each other, faster than `likeness` for a few of many rows."""
    bounds = vectors.indptr[start : end + 1]
    held = slice(bounds[0], bounds[-1])
    terms, places = np.unique(vectors.indices[held], return_inverse=True)
    full = np.zeros((end - start, len(terms)), dtype=vectors.dtype)
    full[np.repeat(np.arange(end - start), np.diff(bounds)), places] = vectors.data[held]
    found: Array = full @ full.T
    return found


def _pieces(documents: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[Sequence[str]]]]:
    """Some documents after others, with the place of the first, so that long texts do not fill the memory."""
    start, held = 0, 0
    for end, texts in enumerate(documents, 1):
        held += 1 + sum(map(len, texts))
        if held >= AT_ONCE:
            yield start, documents[start:end]
            start, held = end, 0
    yield start, documents[start:]


def _counted(start: int, documents: Sequence[Sequence[str]], sizes: Sequence[int]) -> tuple[Array, Array, Array]:
    """Document, term and how often it stands there, by document and term. `start`: the place of the first document."""
    texts = [" ".join(text.split()) for texts in documents for text in texts]
    encoded = "".join(f"{EDGE}{text}" for text in [*texts, ""]).lower().encode("utf-32-le", "surrogatepass")
    code = np.frombuffer(encoded, dtype="<u4").astype(np.int64)
    inside = code != ord(EDGE)
    document = np.repeat(np.arange(len(documents)), list(map(len, documents)))
    row = document[np.cumsum(~inside)[:-1] - 1] << TERM
    found = [(row + code[1:])[inside[1:]]] if 1 in sizes else []
    if 2 in sizes:
        found.append((row + (code[:-1] << BITS) + code[1:])[inside[1:] | inside[:-1]])
    keys, numbers = grouped(np.concatenate(found))
    return start + (keys >> TERM), keys & ((1 << TERM) - 1), numbers
