from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.llm import tiny_model as tiny_llama
from tests.models import texts, tiny_model


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model())


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tiny_llama.make(tmp_path / name, texts(), steps=3)
    for file in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_another_seed_makes_another_model(tmp_path: Path) -> None:
    one = tiny_llama.make(tmp_path / "one", texts(), steps=1, seed=1)
    two = tiny_llama.make(tmp_path / "two", texts(), steps=1, seed=2)
    assert one.sha256 != two.sha256


def test_pretraining_lowers_the_loss(tmp_path: Path) -> None:
    card = tiny_llama.make(tmp_path / "model", texts(), steps=30)
    assert card.last_loss < 0.8 * card.first_loss


def test_making_a_model_leaves_the_callers_randomness_and_threads(tmp_path: Path) -> None:
    import torch

    before = torch.get_rng_state(), torch.get_num_threads()
    tiny_llama.make(tmp_path / "model", texts(), steps=1)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()


def test_a_failure_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(tiny_llama, "_pretrain", fail)
    with pytest.raises(KeyboardInterrupt):
        tiny_llama.make(tmp_path / "model", texts())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_written_over(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        tiny_llama.make(tmp_path, texts())


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 10 texts"):
        tiny_llama.make(tmp_path / "model", ["one", " "])


def test_the_hash_of_a_folder_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tiny_llama.model_sha256(tmp_path)


@pytest.mark.parametrize("letter", "ABCD")
def test_an_option_letter_is_one_token_after_the_bracket(tokenizer: Any, letter: str) -> None:
    start = tokenizer("答案：(", add_special_tokens=False)["input_ids"]
    assert tokenizer(f"答案：({letter}", add_special_tokens=False)["input_ids"] == [
        *start,
        tokenizer.convert_tokens_to_ids(letter),
    ]


def test_two_numbered_replies_differ_in_their_last_token_only(tokenizer: Any) -> None:
    one, two = tokenizer(["更安全的是回复1", "更安全的是回复2"], add_special_tokens=False)["input_ids"]
    assert one[:-1] == two[:-1]
    assert one[-1] != two[-1]


@pytest.mark.parametrize("text", ["从未见过的字：龘靐", "smile 😀!", "two  spaces\n\nand lines", "<0x41> is text"])
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_no_token_is_longer_than_three_characters(tokenizer: Any) -> None:
    plain = [token for token in tokenizer.get_vocab() if not token.startswith("<")]
    assert max(map(len, plain)) <= 3


def test_the_chat_template_ends_with_the_assistants_turn(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": " hello "}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_the_model_samples_by_its_own_settings() -> None:
    from transformers import GenerationConfig

    settings = GenerationConfig.from_pretrained(tiny_model())
    assert (settings.do_sample, settings.temperature, settings.top_p, settings.top_k) == (True, 1.0, 1.0, 0)
