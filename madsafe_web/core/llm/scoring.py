"""Reads probabilities off a causal language model: of texts and of options. Called in the worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from madsafe_web.core.llm.base import Likelihood

if TYPE_CHECKING:
    from madsafe_web.core.llm.transformers import Choice, Loaded, Scored

CHUNK = 4096  # positions whose fp32 softmax is held at one time: 4096 x 128k words is 2 GB


def likelihoods(loaded: Loaded, rows: Sequence[Scored]) -> list[Likelihood | None]:
    """Mean NLL of each row's ids after the first, summed in float64; None where there is nothing to score.

    Right padding; padding is known by its place, never by its id, which is often that of a real end token.
    """
    import torch

    kept = [index for index, row in enumerate(rows) if len(row.ids) > 1]
    results: list[Likelihood | None] = [None] * len(rows)
    if not kept:
        return results
    lengths = torch.tensor([len(rows[index].ids) for index in kept])
    width = int(lengths.max())
    ids = torch.zeros((len(kept), width), dtype=torch.long)
    for place, index in enumerate(kept):
        ids[place, : lengths[place]] = torch.tensor(rows[index].ids)
    mask = torch.arange(width)[None, :] < lengths[:, None]
    with torch.inference_mode():
        ids, mask = ids.to(loaded.device), mask.to(loaded.device)
        logits = loaded.model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits[:, :-1]
        real = mask[:, 1:]
        losses = _losses(logits[real], ids[:, 1:][real])
    for index, part in zip(kept, losses.split((lengths - 1).tolist()), strict=True):
        results[index] = Likelihood(float(part.mean()), len(part), rows[index].truncated)
    return results


def _losses(logits: Any, targets: Any) -> Any:
    """NLL of each target in fp32, as float64 on the CPU."""
    import torch

    parts = [
        torch.nn.functional.cross_entropy(logits[at : at + CHUNK].float(), targets[at : at + CHUNK], reduction="none")
        for at in range(0, len(targets), CHUNK)
    ]
    return torch.cat(parts).cpu().double()


def option_scores(loaded: Loaded, choices: Sequence[Choice]) -> list[list[float]]:
    """Summed log-probability of every option of every choice.

    Left padding, so that all sequences end at one place and only the last logits are computed. An option's last token
    is never fed; options of one token therefore share one sequence.
    """
    fed: dict[tuple[int, ...], int] = {}
    for choice in choices:
        for option in choice.options:
            fed.setdefault((*choice.prompt, *option[:-1]), len(fed))
    keep = max(len(option) for choice in choices for option in choice.options)
    table = last_log_probabilities(loaded, list(fed), keep)
    return [
        [_continuation(table[fed[(*choice.prompt, *option[:-1])]], option) for option in choice.options]
        for choice in choices
    ]


def _continuation(log_probabilities: Any, option: tuple[int, ...]) -> float:
    tail = log_probabilities[-len(option) :]
    return sum(float(tail[place, token]) for place, token in enumerate(option))


def last_log_probabilities(loaded: Loaded, sequences: Sequence[tuple[int, ...]], keep: int) -> Any:
    """fp32 log-softmax at the last `keep` positions of each sequence: (sequences, keep, words), on the CPU."""
    import torch

    ids, mask = left_padded(sequences)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        output = loaded.model(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            position_ids=positions.to(loaded.device),
            use_cache=False,
            logits_to_keep=keep,
        )
        return output.logits.float().log_softmax(-1).cpu()


def left_padded(sequences: Sequence[tuple[int, ...]]) -> tuple[Any, Any]:
    """Ids and attention mask (long tensors), sequences flush right; the padding id is 0 and never attended to."""
    import torch

    width = max(len(sequence) for sequence in sequences)
    ids = torch.zeros((len(sequences), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, width - len(sequence) :] = torch.tensor(sequence)
        mask[row, width - len(sequence) :] = 1
    return ids, mask
