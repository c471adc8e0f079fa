from __future__ import annotations

import asyncio
import math
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Likelihood, Message, Reply, Sampling, Scorer
from madsafe_web.core.llm.transformers import TransformersBackend, create
from tests.models import texts, tiny_model

T = TypeVar("T")
TEXTS = ["安全", "短句。", *texts()[:20], "长文本，" * 60, "emoji 😀 龘", "x"]


@dataclass(frozen=True)
class Endpoint:
    model: str
    options: dict[str, Any] = field(default_factory=dict)


def ask(work: Callable[[TransformersBackend], Awaitable[T]], model: str | Path = "", **options: Any) -> T:
    """Run `work` on a fresh backend in a fresh loop."""

    async def main() -> T:
        backend = create(Endpoint(str(model or tiny_model()), options))
        try:
            return await work(backend)
        finally:
            await backend.close()

    return asyncio.run(main())


def scores(rows: Sequence[str], **options: Any) -> list[Likelihood | None]:
    async def work(backend: TransformersBackend) -> list[Likelihood | None]:
        return await asyncio.gather(*(backend.likelihood(text) for text in rows))

    return ask(work, **options)


def score(text: str, **options: Any) -> Likelihood:
    (result,) = scores([text], **options)
    assert result is not None
    return result


def replies(calls: Sequence[Call], **options: Any) -> list[Reply]:
    async def work(backend: TransformersBackend) -> list[Reply]:
        return await asyncio.gather(*(backend.complete(call) for call in calls))

    return ask(work, **options)


def call(text: str, **sampling: Any) -> Call:
    return Call("", "", {}, (Message("user", text),), Sampling(max_tokens=12, **sampling))


def reference(text: str) -> tuple[float, int]:
    """One text alone, by transformers' own loss over BOS and the text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model())
    tokenizer = AutoTokenizer.from_pretrained(tiny_model())
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    with torch.inference_mode():
        return model(input_ids=ids, labels=ids).loss.item(), ids.shape[1] - 1


def test_the_backend_is_a_scorer_and_not_the_offline_rules() -> None:
    backend = create(Endpoint("anything"))
    assert isinstance(backend, Scorer)
    assert not backend.offline_rules


def test_a_likelihood_equals_the_models_own_loss_with_bos_as_context() -> None:
    nll, tokens = reference(TEXTS[3])
    result = score(TEXTS[3])
    assert result.nll == pytest.approx(nll, abs=1e-5)
    assert (result.tokens, result.truncated) == (tokens, False)


def test_a_likelihood_does_not_depend_on_batch_or_order() -> None:
    alone = [score(text).nll for text in TEXTS[:8]]
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    for budget in (64, 4096):
        found = dict(zip(shuffled, scores(shuffled, batch_tokens=budget), strict=True))
        together = [found[text] for text in TEXTS[:8]]
        assert [result.nll for result in together if result] == pytest.approx(alone, abs=1e-5)


def test_an_empty_text_has_no_likelihood() -> None:
    first, second = scores(["", "安全"])
    assert first is None
    assert second is not None


def test_one_token_is_scored_after_bos() -> None:
    assert score("。").tokens == 1


def test_a_long_text_is_cut_at_the_end_and_says_so() -> None:
    head = score("安全。" * 20, max_tokens=10)
    assert (head.tokens, head.truncated) == (10, True)
    assert head.nll == pytest.approx(score("安全。" * 20 + "other", max_tokens=10).nll, abs=1e-6)


def test_a_text_beyond_the_context_leaves_one_place_for_bos() -> None:
    assert score("。" * 5000).tokens == 1023


def test_a_text_of_exactly_the_cap_is_not_truncated() -> None:
    assert not score("。" * 10, max_tokens=10).truncated


def test_a_control_token_in_a_text_is_scored_as_plain_text() -> None:
    assert score("<|eot_id|>").tokens > 1


def test_uniform_logits_give_the_vocabulary_size_as_perplexity(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "uniform"
    shutil.copytree(tiny_model(), folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.model.norm.weight.data.zero_()
    model.save_pretrained(folder)

    async def work(backend: TransformersBackend) -> Likelihood | None:
        return await backend.likelihood("安全第一")

    result = ask(work, folder)
    assert result is not None
    assert math.exp(result.nll) == pytest.approx(model.config.vocab_size, rel=1e-5)


def test_options_of_one_token_get_their_next_token_log_probability() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prompt = "选项：\n(A) 对\n(B) 不对\n答案：("
    chosen = ask(lambda backend: backend.choose(prompt, ["A", "B"]))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model()), AutoTokenizer.from_pretrained(tiny_model())
    with torch.inference_mode():
        last = model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1].float().log_softmax(-1)
    assert chosen == pytest.approx([float(last[tokenizer.convert_tokens_to_ids(x)]) for x in "AB"], abs=1e-5)


def test_an_options_score_is_the_likelihood_it_adds() -> None:
    prompt, option = "更安全的是：", "回复1"
    (chosen, _) = ask(lambda backend: backend.choose(prompt, [option, "no"]))
    whole, start = score(prompt + option), score(prompt)
    assert chosen == pytest.approx(start.nll * start.tokens - whole.nll * whole.tokens, abs=1e-4)


def test_choices_do_not_depend_on_their_batch() -> None:
    prompts = [f"{text}：(" for text in TEXTS[:10]]

    async def together(backend: TransformersBackend) -> list[list[float]]:
        return await asyncio.gather(*(backend.choose(prompt, ["A", "B", "C"]) for prompt in prompts))

    alone = [ask(lambda backend, p=prompt: backend.choose(p, ["A", "B", "C"])) for prompt in prompts[:3]]  # type: ignore[misc]
    for one, many in zip(alone, ask(together), strict=False):
        assert many == pytest.approx(one, abs=1e-5)


def test_an_option_that_merges_with_the_prompt_is_refused() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model())
    merged = next(t for t in sorted(tokenizer.get_vocab()) if len(t) == 2 and not t.startswith("<"))
    with pytest.raises(ValueError, match="does not tokenise apart"):
        ask(lambda backend: backend.choose(merged[0], [merged[1]]))


def test_an_empty_option_is_refused() -> None:
    with pytest.raises(ValueError, match="does not tokenise apart"):
        ask(lambda backend: backend.choose("答案：(", ["A", ""]))


def test_greedy_text_equals_generate() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model()), AutoTokenizer.from_pretrained(tiny_model())
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": TEXTS[4]}], tokenize=False, add_generation_prompt=True
    )
    batch = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        ids = model.generate(**batch, do_sample=False, max_new_tokens=12)[0, batch["input_ids"].shape[1] :]
    (reply,) = replies([call(TEXTS[4])])
    assert reply.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_sampled_text_is_the_same_in_every_batch() -> None:
    calls = [call(text, temperature=1.0, top_p=0.9, seed=index) for index, text in enumerate(TEXTS[:12])]
    together = [reply.text for reply in replies(calls)]
    assert [replies([one])[0].text for one in calls[:4]] == together[:4]
    assert [reply.text for reply in replies(calls, batch_rows=3)] == together


def test_warm_rows_do_not_disturb_a_greedy_row_beside_them() -> None:
    cold = call(TEXTS[4])
    mixed = replies([cold, call(TEXTS[4], temperature=1.5, seed=3), cold])
    assert mixed[0].text == mixed[2].text == replies([cold])[0].text


def test_another_seed_gives_another_text() -> None:
    one, two = replies([call(TEXTS[4], temperature=1.5, seed=seed) for seed in (1, 2)])
    assert one.text != two.text


def test_a_tiny_top_p_is_greedy() -> None:
    warm, cold = replies([call(TEXTS[4], temperature=1.0, top_p=1e-9, seed=5), call(TEXTS[4])])
    assert warm.text == cold.text


def test_a_reply_counts_its_tokens_and_says_that_it_was_cut() -> None:
    (reply,) = replies([call(TEXTS[4], temperature=2.0, seed=1)], max_new_tokens=3)
    assert (reply.finish, reply.completion_tokens) == ("length", 3)
    assert reply.prompt_tokens > 10


def test_a_control_token_in_a_message_does_not_end_the_turn() -> None:
    plain, hostile = replies([call("你好"), call("你好<|eot_id|>")])
    assert hostile.prompt_tokens > plain.prompt_tokens + 1


def test_a_prompt_beyond_the_context_is_a_final_error() -> None:
    with pytest.raises(CallError, match="holds 1024") as caught:
        replies([call("。" * 1100)])
    assert caught.value.final


def test_a_missing_model_stops_the_run_with_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(EndpointDown, match="There is no model folder"):
        ask(lambda backend: backend.likelihood("x"), tmp_path / "none")


def test_a_folder_that_is_no_model_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(EndpointDown, match="cannot be loaded"):
        ask(lambda backend: backend.likelihood("x"), tmp_path)


def test_the_facts_for_the_cache_key_name_the_prefix_token() -> None:
    backend = create(Endpoint(str(tiny_model()), {"max_tokens": 256}))
    facts = backend.describe()
    asyncio.run(backend.close())
    assert (facts["prefix_id"], facts["max_tokens"], facts["dtype"]) == ("0", "256", "torch.float32")
