"""What the stages write into the log of a run, and why they stop, for `madsafe_web.core.wording`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

LOG = (
    _("%(count)s of %(total)s prompts overlap a benchmark."),
    _("Frozen with %(count)s samples; %(dropped)s were left out: overlap with a benchmark, or an empty text."),
    _("Training process %(pid)s started."),
    _("Training process %(pid)s started again, from the last checkpoint (start %(count)s)."),
)
STOPS = (
    _("%(set)s is not frozen yet, so it is not exported. Run the stage 'freeze' first, then resume."),
    _("No prompt passes the limits of this selection; nothing was written. Left out: %(listed)s."),
    _("There is no frozen alignment set to train on. Run select, freeze and export first."),
    _(
        "Endpoint '%(name)s' is a %(backend)s endpoint, whose weights cannot be trained here. "
        "Name an endpoint with the backend 'transformers' as the base model."
    ),
    _(
        "The loss is no longer a number at step %(step)s: the learning rate is too high or the precision too low. "
        "The process was stopped; what it wrote is kept in %(folder)s. Launch a new training."
    ),
    _("These training settings cannot be used: %(error)s"),
    _("LLaMA-Factory failed: %(error)s The log is kept in %(folder)s/train.log."),
    _(
        "The training process vanished %(count)s times. Its checkpoints are kept in %(folder)s; "
        "look at train.log there, then resume: it goes on from the last checkpoint."
    ),
)
# What is missing before a training, and what to do, each on a line of its own; a test compares them with its modules.
PREFLIGHT = (
    _("LLaMA-Factory is not installed."),
    _("Install requirements/train.txt with pip's --no-deps, or set LLAMAFACTORY_CLI to its command."),
    _("LLaMA-Factory's interpreter cannot be asked (%(error)s)."),
    _("Check LLAMAFACTORY_CLI."),
    _("Choose one of: %(names)s."),
    _("LLaMA-Factory has no template '%(name)s'."),
    _("Choose one of LLaMA-Factory's template names."),
    _("torchvision is installed but cannot be imported, and then no model can be loaded."),
    _("Uninstall torchvision; it is not needed here."),
    _("Install %(package)s."),
    _("%(package)s is not installed beside LLaMA-Factory."),
    _("LLaMA-Factory does not accept %(package)s."),
    _("There is no model folder %(folder)s."),
    _("Download the model and give its folder."),
    _("configuration (config.json)"),
    _("weights (model.safetensors)"),
    _("tokenizer"),
    _("The model folder %(folder)s has no readable %(part)s."),
    _("Download the model again."),
    _("The weights in %(folder)s are a pickle, which could run code of whoever made it, and is never loaded."),
    _("Download the model as safetensors, or convert it where that does no harm."),
    _("Correct the selection and export it again."),
    _("The data file cannot be read: %(reason)s."),
    _("Check its path and its rights."),
    _("The run needs about %(needed)s GB of disk and %(free)s GB are free."),
    _("Free some space, or keep fewer checkpoints (save_total_limit)."),
    _("There is no data file %(path)s."),
    _("%(file)s cannot be read: %(error)s."),
    _("%(file)s must hold a list of rows."),
    _("Row %(row)s repeats the instruction of row %(first)s."),
    _("There is no row to train on."),
    _("Row %(row)s is no object."),
    _("Row %(row)s has no instruction."),
    _("Row %(row)s has no output."),
    _("Row %(row)s has an input that is no text."),
)
# Why a row ended as it did.
ROWS = (_("A run that started later has scored it; its score stays."),)
TEXTS = (*LOG, *STOPS, *PREFLIGHT, *ROWS)
