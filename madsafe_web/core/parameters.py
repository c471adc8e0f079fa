"""The parameters of the stages by names for people. Files, commands and the API know them by their own names alone."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

NAMES: dict[str, str | Promise] = {
    "accumulation": _("Steps of gradient accumulation"),
    "attack_threshold": _("Similarity of repeated attacks"),
    "base_endpoint": _("Endpoint of the base model"),
    "batch": _("Samples in a batch"),
    "benchmarks": _("Benchmarks"),
    "bf16": _("Train in bfloat16"),
    "by": _("Compare labels by"),
    "corpora": _("Corpora"),
    "corpus": _("Corpus"),
    "count": _("Number of prompts"),
    "cutoff_len": _("Most tokens of a sample"),
    "decide": _("Who decides about labels"),
    "device": _("Device"),
    "endpoint": _("Endpoint"),
    "epochs": _("Epochs"),
    "examples": _("Examples in a request"),
    "files": _("Files"),
    "instruction_max": _("Highest instruction safety"),
    "judge_endpoint": _("Endpoint of the judge"),
    "keywords": _("Keywords"),
    "label_endpoint": _("Endpoint that labels"),
    "learning_rate": _("Learning rate"),
    "leave_undecided": _("Labels left undecided"),
    "map": _("Version of the merge map"),
    "max_ratio": _("Highest ratio between categories"),
    "max_tokens": _("Most tokens of a reply"),
    "name": _("Name"),
    "of": _("Rows of the stage"),
    "overlap_threshold": _("Similarity to a benchmark"),
    "path": _("File"),
    "per_category": _("Prompts per category"),
    "per_prompt": _("New prompts for each prompt"),
    "perplexity_quantile": _("Quantile of perplexity"),
    "prompts": _("Number of prompts to begin with"),
    "response_min": _("Lowest response safety"),
    "roles": _("Roles of corpora"),
    "rows": _("Rows"),
    "seed": _("Seed"),
    "set_id": _("Alignment set"),
    "stage": _("Stage"),
    "target": _("Prompts wanted in a category"),
    "temperature": _("Temperature"),
    "template": _("Chat template"),
    "threshold": _("Similarity of duplicates"),
    "top_p": _("Top p"),
    "tuned_endpoint": _("Endpoint of the tuned model"),
    "uncertain_left": _("Uncertain verdicts left to people"),
    "values": _("Parameters"),
    "warmup_ratio": _("Share of steps to warm up"),
}


def parameter_name(name: str) -> str:
    """The name for people with the one that files use behind it, unless they are the same words."""
    label = str(NAMES.get(name, name))
    return label if label.lower().replace(" ", "_") == name else f"{label} ({name})"
