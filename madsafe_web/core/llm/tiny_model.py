"""A tiny Llama made on the spot: real files, real tokenizer, real weights, so that scoring, generation, training and
evaluation run for real on a machine without any downloaded model. It has no skill; it is there to prove the plumbing.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOS, END_OF_TEXT, END_OF_TURN = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
# LLaMA-Factory's llama3 template adds <|eom_id|> when it is missing, and then the tokenizer outgrows the embedding.
SPECIAL_TOKENS = (BOS, END_OF_TEXT, "<|start_header_id|>", "<|end_header_id|>", END_OF_TURN, "<|eom_id|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# Always in the alphabet, whatever the texts are: the characters that option scoring and number parsing rest on.
ALWAYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n()[]{}.,:;!?'\"-_/<>|"
ALWAYS += "（）：，。！？、；“”回复"
# Every digit, sign and space is a word of its own, so that "(A" is always "(" and "A", and "回复1" ends in "1".
WORDS = r"[A-Za-z]+|\p{N}|\s|\p{P}|\p{S}|[^A-Za-z\p{N}\s\p{P}\p{S}]+"
LONGEST_TOKEN = 3  # characters; without a limit a whole Chinese sentence becomes one token
BLOCK, BLOCKS_A_STEP = 96, 8


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What was made. Losses are mean nats per token of the first and the last pre-training step."""

    folder: Path
    sha256: str
    parameters: int
    vocabulary: int
    context: int
    seed: int
    steps: int
    first_loss: float
    last_loss: float


def make(
    folder: Path,
    texts: Iterable[str],
    *,
    seed: int = 7,
    steps: int = 160,
    hidden: int = 64,
    vocabulary: int = 1536,
    context: int = 1024,
) -> ModelCard:
    """Make a 2-layer Llama in `folder`: tokenizer trained on `texts`, then `steps` steps of plain language modelling.

    The same texts and seed give the same weights file, byte by byte, on one machine. The folder appears whole or not
    at all. Raises FileExistsError when `folder` exists, ValueError for fewer than 10 usable texts.
    """
    rows = [text for text in texts if text.strip()]
    if len(rows) < 10:
        raise ValueError(f"A tiny model needs at least 10 texts that are not empty, got {len(rows)}.")
    if folder.exists():
        raise FileExistsError(f"{folder} exists already.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _no_progress_bars()
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with _one_thread_and_own_randomness(seed):
            tokenizer = _tokenizer(rows, vocabulary, context)
            model = _model(tokenizer, hidden, context)
            losses = _pretrain(model, tokenizer, rows, steps, seed)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        sha256 = model_sha256(unfinished)
        unfinished.chmod(0o755)
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    size = sum(parameter.numel() for parameter in model.parameters())
    return ModelCard(folder, sha256, size, len(tokenizer), context, seed, steps, losses[0], losses[-1])


def source_key(texts: Iterable[str], *, seed: int, steps: int) -> str:
    """16 hexadecimal digits that change with the texts, the numbers or this file: a name for a cached model."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(json.dumps([list(texts), seed, steps], ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def model_sha256(folder: Path) -> str:
    """sha256 over the weights file(s) of a model folder, names and contents in name order.

    Raises FileNotFoundError when the folder holds no *.safetensors.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no .safetensors file.")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _no_progress_bars() -> None:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


@contextmanager
def _one_thread_and_own_randomness(seed: int) -> Iterator[None]:
    """One thread, because sums in another order give other last bits; the caller's random state stays as it was."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _tokenizer(rows: Sequence[str], vocabulary: int, context: int) -> Any:
    """A fast tokenizer with Llama 3's special tokens; characters it never saw become bytes."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    model = BPE(*_vocabulary_and_merges(rows, vocabulary), byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    bos = (BOS, tokenizer.token_to_id(BOS))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[bos])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _vocabulary_and_merges(rows: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Special tokens, the 256 bytes, then characters and merges by frequency.

    The bytes cannot be the trainer's special tokens: they would be matched in text and dropped when decoding.
    """
    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    fixed = [*SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256))]
    room = size - len(fixed)
    alphabet = _alphabet(rows, room * 4 // 5)
    trainee = Tokenizer(BPE())
    trainee.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    trainer = BpeTrainer(
        vocab_size=room,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        max_token_length=LONGEST_TOKEN,
        min_frequency=2,
        show_progress=False,
    )
    trainee.train_from_iterator(rows, trainer)
    learned = json.loads(trainee.to_str())["model"]
    tokens = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    return {token: index for index, token in enumerate([*fixed, *tokens])}, [(a, b) for a, b in learned["merges"]]


def _alphabet(rows: Sequence[str], size: int) -> list[str]:
    """The fixed characters and the most frequent others. Chosen here: the trainer breaks ties by chance."""
    counts = Counter("".join(rows))
    fixed = set(ALWAYS)
    others = sorted((character for character in counts if character not in fixed), key=lambda c: (-counts[c], c))
    return sorted(fixed | set(others[: max(size - len(fixed), 0)]))


def _model(tokenizer: Any, hidden: int, context: int) -> Any:
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    ends = [tokenizer.convert_tokens_to_ids(token) for token in (END_OF_TURN, END_OF_TEXT, "<|eom_id|>")]
    ids = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=max(hidden // 32, 1),
            num_key_value_heads=max(hidden // 32, 1),
            max_position_embeddings=context,
            tie_word_embeddings=True,
            eos_token_id=ends[0],
            **ids,
        )
    )
    # `transformers serve` samples only when the model's own settings say do_sample.
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.0, top_p=1.0, top_k=0, eos_token_id=ends, **ids
    )
    return model


def _pretrain(model: Any, tokenizer: Any, rows: Sequence[str], steps: int, seed: int) -> list[float]:
    """Plain next-token training on the packed texts; the mean loss of every step."""
    import torch

    blocks = _blocks(tokenizer, rows, needed=steps * BLOCKS_A_STEP, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    model.train()
    for step in range(steps):
        start = step * BLOCKS_A_STEP
        batch = torch.tensor([blocks[index % len(blocks)] for index in range(start, start + BLOCKS_A_STEP)])
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


def _blocks(tokenizer: Any, rows: Sequence[str], needed: int, seed: int) -> list[list[int]]:
    """Blocks of BLOCK tokens of shuffled texts, each text between its own begin and end; the texts repeat as needed."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    stream: list[int] = []
    end = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    for start in range(0, len(shuffled), 256):
        for ids in tokenizer(shuffled[start : start + 256], add_special_tokens=False)["input_ids"]:
            stream += [tokenizer.bos_token_id, *ids, end]
        if len(stream) >= needed * BLOCK:
            break
    while len(stream) < BLOCK:
        stream += stream
    return [stream[at : at + BLOCK] for at in range(0, len(stream) - BLOCK + 1, BLOCK)]
