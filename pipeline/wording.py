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
)
# Why a row ended as it did.
ROWS = (_("A run that started later has scored it; its score stays."),)
TEXTS = (*LOG, *STOPS, *ROWS)
