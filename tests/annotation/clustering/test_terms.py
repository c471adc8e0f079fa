"""Terms are counted for all texts at once; what comes out is what counting them one by one gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.clustering import terms

DOCUMENTS = [["Tea or tea", "茶"], [], ["茶和 茶"], ["", "\n"], ["tea"]]
documents_made = st.lists(st.lists(st.text(alphabet="aA茶\n\0 \U0001f600", max_size=8), max_size=3), max_size=6)


def by_hand(texts: list[str], size: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        plain = " ".join(text.split()).lower()
        edged = f"\n{plain}\n" if plain and size == 2 else plain
        found.update(edged[at : at + size] for at in range(len(edged) - size + 1))
    return found


@given(documents_made, st.sampled_from([1, 2]))
def test_each_document_counts_what_its_texts_hold(documents: list[list[str]], size: int) -> None:
    table = terms.counted(documents, sizes=(size,)).toarray()
    rows = [sorted(by_hand(texts, size).values()) for texts in documents]
    assert [sorted(row[row > 0].astype(int).tolist()) for row in table] == rows
    known = {term for texts in documents for term in by_hand(texts, size)}
    assert table.shape == (len(documents), max(len(known), 1))


def test_characters_and_pairs_are_terms_of_their_own() -> None:
    one, two, both = (terms.counted(DOCUMENTS, sizes=sizes) for sizes in ((1,), (2,), (1, 2)))
    assert both.shape[1] == one.shape[1] + two.shape[1]
    assert both.sum() == one.sum() + two.sum()


def test_pieces_give_what_all_texts_at_once_do(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = terms.counted(DOCUMENTS, sizes=(1, 2))
    monkeypatch.setattr(terms, "AT_ONCE", 5)
    assert (terms.counted(DOCUMENTS, sizes=(1, 2)) != at_once).nnz == 0


def test_rows_are_of_length_one_and_an_empty_one_stays_empty() -> None:
    counts = terms.counted(DOCUMENTS)
    found = terms.weighed(counts, np.ones(counts.shape[1]))
    assert np.allclose(found.multiply(found).sum(axis=1).ravel(), [1, 0, 1, 0, 1])


@pytest.mark.parametrize("rows", [3, 40])
def test_products_are_the_same_whether_a_term_is_rare_or_not(rows: int) -> None:
    counts = terms.counted([[f"茶{'水' if at % 5 == 0 else '叶'}{chr(0x4E00 + at)}"] for at in range(rows)])
    plain = (counts @ counts.T).toarray()
    assert np.allclose(terms.likeness(counts), plain)
    assert np.allclose(terms.likeness_among(counts, 1, 3), plain[1:3, 1:3])
