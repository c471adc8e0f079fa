"""Batched generation where a row's text depends on that row and its seed alone. Called in the worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from madsafe_web.core.llm.base import Reply, Sampling
from madsafe_web.core.llm.scoring import left_padded

if TYPE_CHECKING:
    from madsafe_web.core.llm.transformers import Generation, Loaded


def generate(loaded: Loaded, rows: Sequence[Generation]) -> list[Reply]:
    """Continue every row until an end token or its own limit.

    `transformers.generate` draws for the whole batch from one generator, so the same seed gives another text in another
    batch. Here each row has its own uniform numbers, one per step, drawn before the first step.
    """
    import torch

    tokens: list[list[int]] = [[] for _ in rows]
    open_rows = set(range(len(rows)))
    uniforms = torch.stack([_uniforms(row.sampling, max(r.new_tokens for r in rows)) for row in rows])
    ids, mask = (part.to(loaded.device) for part in left_padded([row.ids for row in rows]))
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache: Any = None
    with torch.inference_mode():
        for step in range(max(row.new_tokens for row in rows)):
            output = loaded.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            chosen = _pick(output.logits[:, -1].float().cpu(), [row.sampling for row in rows], uniforms[:, step])
            for index in list(open_rows):
                tokens[index].append(int(chosen[index]))
                if int(chosen[index]) in loaded.ends or len(tokens[index]) >= rows[index].new_tokens:
                    open_rows.discard(index)
            if not open_rows:
                break
            ids = chosen[:, None].to(loaded.device)
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            positions = positions[:, -1:] + 1
    return [_reply(loaded, row, new) for row, new in zip(rows, tokens, strict=True)]


def _uniforms(sampling: Sampling, steps: int) -> Any:
    """Numbers in [0, 1) of one row, from its own generator; the first n are the same however many are drawn."""
    import torch

    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed & (2**63 - 1))
    return torch.rand(steps, generator=generator, dtype=torch.float64)


def _pick(logits: Any, samplings: Sequence[Sampling], uniform: Any) -> Any:
    """The next token of each row: the likeliest at temperature 0, else one drawn from the smallest set of tokens whose
    probability reaches top_p."""
    import torch

    greedy = logits.argmax(-1)
    warm = [index for index, sampling in enumerate(samplings) if sampling.temperature > 0]
    if not warm:
        return greedy
    temperature = torch.tensor([samplings[index].temperature for index in warm], dtype=torch.float64)
    top_p = torch.tensor([samplings[index].top_p for index in warm], dtype=torch.float64)
    probabilities = (logits[warm].double() / temperature[:, None]).softmax(-1)
    ordered, words = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    ordered[(before >= top_p[:, None]) & (before > 0)] = 0.0
    cumulative = ordered.cumsum(-1)
    target = uniform[warm, None] * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)
    greedy[warm] = words.gather(1, place)[:, 0]
    return greedy


def _reply(loaded: Loaded, row: Generation, new: list[int]) -> Reply:
    ended = bool(new) and new[-1] in loaded.ends
    text = loaded.tokenizer.decode(new, skip_special_tokens=True)
    return Reply(
        text=text,
        finish="stop" if ended else "length",
        prompt_tokens=len(row.ids),
        completion_tokens=len(new),
    )
