"""What the engine writes into the log of a run, and why it stops one, for `madsafe_web.core.wording`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

LOG = (
    _("Queued by %(name)s."),
    _("%(name)s asked to pause."),
    _("%(name)s asked to cancel."),
    _("Done: %(read)s read, %(kept)s kept, %(duplicate)s duplicate, %(rejected)s rejected, %(failed)s failed."),
)
STOPS = (
    _("%(run)s is at work, and no other run may start meanwhile. Start this one when it has ended."),
    _("%(run)s is at work, and this run has to be alone. Start it when that one has ended."),
    _("%(run)s read %(read)s of %(total)s rows: its counts do not add up, so it is not done."),
    _("'%(stage)s' needs a finished run of '%(before)s' before it. Run that stage first."),
    _(
        "Part %(part)s of %(run)s took %(count)s workers down with it. What they wrote is kept. "
        "Look at the worker's log, then resume."
    ),
    _("%(error)s in stage '%(stage)s': %(text)s. %(count)s rows are kept; resume goes on there."),
    _("There is no endpoint '%(name)s'. Known: %(names)s. Declare it under `endpoints:`."),
    _(
        "Endpoint '%(name)s' takes its key from the environment variable %(variable)s, which is not set. "
        "Set it where the worker runs, then resume."
    ),
    _(
        "Endpoint '%(name)s' (%(backend)s) gives no token probabilities, which '%(stage)s' needs. "
        "Name an endpoint with the backend 'transformers'."
    ),
)
TEXTS = (*LOG, *STOPS)
