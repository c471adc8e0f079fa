"""Near-duplicates against a brute-force comparison, and the places where a join goes wrong."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madsafe_web.core.textio import Record, read_jsonl
from pipeline import similarity
from pipeline.similarity import NearIndex, duplicates, near_pairs

DATA = Path(__file__).resolve().parents[2] / "../shared/data/s_eval"
# Few characters and short texts: many pairs lie at or around the threshold.
TEXTS = st.lists(st.text("ab中，Ａ 1", max_size=14), max_size=14)
THRESHOLDS = st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0])


def grams(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(char for char in plain if unicodedata.category(char)[0] in "LMN")
    return {bare[i : i + 3] for i in range(len(bare) - 2)} or ({bare} if bare else set())


def jaccard(one: str, other: str) -> float:
    a, b = grams(one), grams(other)
    return len(a & b) / len(a | b) if a or b else 0.0


def brute_duplicates(texts: list[str], threshold: float) -> list[tuple[int, float] | None]:
    found: list[tuple[int, float] | None] = []
    for i, text in enumerate(texts):
        kept = [j for j in range(i) if found[j] is None and jaccard(texts[j], text) >= threshold]
        found.append((kept[0], jaccard(texts[kept[0]], text)) if kept else None)
    return found


@settings(deadline=None)
@given(TEXTS, THRESHOLDS)
def test_pairs_equal_those_of_brute_force(texts: list[str], threshold: float) -> None:
    expected = [
        (i, j, jaccard(texts[i], texts[j]))
        for j in range(len(texts))
        for i in range(j)
        if jaccard(texts[i], texts[j]) >= threshold
    ]
    assert list(near_pairs(texts, threshold)) == expected


@settings(deadline=None)
@given(TEXTS, THRESHOLDS)
def test_duplicates_equal_those_of_brute_force(texts: list[str], threshold: float) -> None:
    assert duplicates(texts, threshold) == brute_duplicates(texts, threshold)


@settings(deadline=None)
@given(TEXTS, THRESHOLDS, st.integers(1, 5), st.integers(1, 40))
def test_the_size_of_a_block_changes_nothing(texts: list[str], threshold: float, rows: int, held: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_BLOCK_TEXTS", rows)
        patch.setattr(similarity, "_MOST_AT_ONCE", held)
        assert duplicates(texts, threshold) == brute_duplicates(texts, threshold)


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, THRESHOLDS, THRESHOLDS)
def test_the_index_finds_the_nearest_after_several_additions(
    first: list[str], second: list[str], asked: list[str], low: float, high: float
) -> None:
    low, high = sorted((low, high))
    index, pool = NearIndex(low), [*first, *second]
    index.add(first)
    index.add(second)
    expected = []
    for text in asked:
        best = max(((jaccard(other, text), -i) for i, other in enumerate(pool)), default=(0.0, 0))
        expected.append((-best[1], best[0]) if best[0] >= high else None)
    assert index.find(asked, high) == expected
    assert len(index) == len(pool)


def test_the_earliest_kept_text_is_named_and_chains_are_not_followed() -> None:
    texts = ["abcdefghij", "abcdefghijkl", "abcdefghijklmn"]  # each near the one before it, the last not to the first
    assert [match and match[0] for match in duplicates(texts, 0.75)] == [None, 0, None]


def test_punctuation_width_and_case_do_not_count() -> None:
    assert duplicates(["How, to？ 安全", "ｈｏｗ to安全！"]) == [None, (0, 1.0)]


def test_a_similarity_exactly_at_the_threshold_counts() -> None:
    texts = ["abcdefghijkl", "abcdefghi"]  # 10 grams and 7 of them
    assert duplicates(texts, 0.7) == [None, (0, 0.7)]


def test_short_texts_equal_only_themselves() -> None:
    assert duplicates(["好", "好", "好的", "的"]) == [None, (0, 1.0), None, None]


def test_texts_without_letters_are_kept() -> None:
    assert duplicates(["？？", "", "？？"]) == [None, None, None]


def test_an_empty_index_finds_nothing() -> None:
    assert NearIndex().find(["text", ""]) == [None, None]


def test_no_texts_give_nothing() -> None:
    assert (duplicates([]), list(near_pairs([])), NearIndex().find([])) == ([], [], [])


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="similarity threshold"):
        duplicates(["a"], threshold)


def test_the_index_refuses_a_lower_threshold_than_its_own() -> None:
    with pytest.raises(ValueError, match=r"from 0\.7, asked for 0\.5"):
        NearIndex(0.7).find(["a"], 0.5)


def test_the_real_base_prompts_hold_no_near_duplicates() -> None:
    assert not any(duplicates(prompts("S-Eval_base_risk_zh_full.jsonl.zip")))


def test_attack_prompts_on_shared_scaffolds_are_counted() -> None:
    texts = prompts("S-Eval_attack_zh_small.jsonl.zip")
    assert sum(match is not None for match in duplicates(texts, 0.9)) == 1423


def prompts(name: str) -> list[str]:
    if not (DATA / name).exists():
        pytest.skip(f"the data file s_eval/{name} is not beside the repository (../shared/data)")
    return [record.value["prompt"] for record in read_jsonl(DATA / name) if isinstance(record, Record)]
