"""Evidence C: labels of prompts that say the same (c-TF-IDF of their texts), beside the same other labels.

A tagger that knows two names of one theme gives a prompt one of them: what stands together on a prompt are two themes.
So labels that share prompts are kept apart, though their texts are alike (measured: docs/decisions/0026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Any

import numpy as np

from annotation.clustering import terms
from annotation.clustering.grouping import SURE, blended, grouped
from annotation.clustering.near import mutual
from annotation.clustering.proposers import exact, names, neighbours
from annotation.clustering.proposers.base import Material, Pair, Proposer, paired

Matrix = np.ndarray[Any, Any]
Nodes = list[list[int]]

LIKE = 0.19  # content × company from which labels are put together
LEAST_LIKE, NEAREST = 0.08, 3  # what is alike, without being as sure, supports other evidence
TOGETHER = 0.02  # share of the prompts of the rarer label that both may have, by slips of the tagger
FEW = 3.0  # prompts: a label with so many counts half
MORE_NAMES = 0.3  # how much more alike nodes must be for each further name that both have: a mistake puts all together
ROUNDS = 8
SUREST = 0.95


def propose(material: Material) -> Iterator[Pair]:
    """Pairs of kind prompts, from the surest to those that only support others.

    Round by round each other's nearest become one, names that mean the same from the start: their company is counted
    together, which tells more than that of each.
    """
    labels = sorted(label for label in material.labels if material.samples.get(label))
    if len(labels) < 2:
        return
    content = terms.likeness(content_vectors([material.samples[label] for label in labels]))
    used = _used(labels, material)
    nodes = _named(labels)
    for _ in range(ROUNDS):
        likeness = _likeness(nodes, content, used)
        merges = _merges(likeness)
        for one, other in merges:
            yield from _pairs(labels, nodes[one], nodes[other], likeness[one, other])
        if not merges:
            break
        nodes = _merged(nodes, merges)
    for one, other, found in mutual(_likeness(nodes, content, used), most=NEAREST, least=LEAST_LIKE):
        yield from _pairs(labels, nodes[one], nodes[other], min(found, LIKE * 0.9))


def content_vectors(documents: Sequence[Sequence[str]]) -> Any:
    """c-TF-IDF of the texts of each document, as a sparse matrix with rows of length 1, by pairs of characters.

    The weights are BERTopic's. The row of a document that has no such pair is 0.
    """
    counts = terms.counted(documents)
    held = np.asarray(counts.sum(axis=0)).ravel()
    return terms.weighed(counts, np.log1p(counts.sum() / max(len(documents), 1) / np.maximum(held, 1.0)))


def _used(labels: Sequence[str], material: Material) -> Any:
    """Labels × prompts, 1 where the prompt has the label."""
    from scipy.sparse import csr_matrix

    of_label = [material.used.get(label, frozenset()) for label in labels]
    prompts = np.fromiter(chain.from_iterable(of_label), dtype=np.int64)
    known, columns = np.unique(prompts, return_inverse=True)
    starts = np.cumsum([0, *map(len, of_label)])
    values = np.ones(len(prompts), dtype=np.float32)
    return csr_matrix((values, columns, starts), shape=(len(labels), max(len(known), 1)))


def _named(labels: Sequence[str]) -> Nodes:
    """Places of labels, those whose names mean the same in one node."""
    material = Material(labels)
    pairs = [pair for source in (exact, names, neighbours) for pair in source.propose(material)]
    place = {label: at for at, label in enumerate(labels)}
    nodes = [[place[label] for label in group] for group in grouped(blended(pairs))]
    known = {at for node in nodes for at in node}
    return sorted([*nodes, *([at] for at in range(len(labels)) if at not in known)])


def _likeness(nodes: Nodes, content: Matrix, used: Any) -> Matrix:
    """Likeness of content × likeness of company, 0..1; 0 between nodes that share prompts."""
    member = _member(nodes, content.shape[0])
    held = member @ used
    held.data[:] = 1.0
    together: Matrix = (held @ held.T).toarray()
    size = together.diagonal().copy()
    np.fill_diagonal(together, 0.0)
    found = _cosine(member @ (member @ content).T) * _company(together)
    known = np.sqrt(size / (size + FEW))
    names = np.array([len(node) for node in nodes], dtype=np.float32)
    found /= 1.0 + MORE_NAMES * (np.minimum.outer(names, names) - 1.0)
    found *= np.outer(known, known) * (together <= TOGETHER * np.minimum.outer(size, size))
    np.fill_diagonal(found, 0.0)
    return found


def _member(nodes: Nodes, labels: int) -> Any:
    """Nodes × labels, 1 where the label is of the node."""
    from scipy.sparse import csr_matrix

    rows = [row for row, node in enumerate(nodes) for _ in node]
    values = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((values, (rows, [at for node in nodes for at in node])), shape=(len(nodes), labels))


def _cosine(products: Matrix) -> Matrix:
    length = np.sqrt(np.maximum(products.diagonal(), 1e-12))
    likeness: Matrix = products / np.outer(length, length)
    return likeness


def _company(together: Matrix) -> Matrix:
    """Cosine of the roots of the shares that other labels have beside each (Hellinger), 0..1."""
    shares = np.sqrt(together / np.maximum(together.sum(axis=1, keepdims=True), 1.0))
    likeness: Matrix = shares @ shares.T
    return likeness


def _merges(likeness: Matrix) -> list[tuple[int, int]]:
    """Nodes that are each other's nearest and alike enough, the surest first, each at most once."""
    taken: set[int] = set()
    found = []
    for one, other, _ in sorted(mutual(likeness, most=1, least=LIKE), key=lambda near: (-near[2], near[:2])):
        if not taken & {one, other}:
            taken |= {one, other}
            found.append((one, other))
    return found


def _merged(nodes: Nodes, merges: Sequence[tuple[int, int]]) -> Nodes:
    gone = {place for merge in merges for place in merge}
    joined = [sorted(nodes[one] + nodes[other]) for one, other in merges]
    return sorted([*joined, *(node for place, node in enumerate(nodes) if place not in gone)])


def _pairs(labels: Sequence[str], first: Sequence[int], second: Sequence[int], likeness: float) -> Iterator[Pair]:
    weight = min(SUREST, SURE * float(likeness) / LIKE)
    for one, other in product(first, second):
        yield paired(labels[one], labels[other], "C", "prompts", weight)


PROPOSER = Proposer(
    name="prompts",
    letter="C",
    title="Same prompts",
    kinds=("prompts",),
    propose=propose,
    needs_prompts=True,
)
