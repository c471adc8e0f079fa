"""What the engine writes into the log of a run, and why it stops one, for `madsafe_web.core.wording`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

LOG = (
    _("Queued by %(name)s."),
    _("%(name)s asked to pause."),
    _("%(name)s asked to cancel."),
    _("%(name)s asked for %(count)s failed rows once more."),
    _("%(name)s asked for %(count)s failed rows of class '%(error)s' once more."),
    _("%(name)s asked to read the stored replies of %(count)s rows again."),
    _("%(run)s is in work, so its deadline stays as it is. Pause it, then set another one."),
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
    _("%(run)s has rows that were not asked yet. Resume it, and read the replies when it has ended."),
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
BUDGETS = (
    _(
        "The deadline of the run, %(time)s UTC, has passed. What is done is kept. "
        "Give it a later deadline, or none, on its page, then resume."
    ),
    _(
        "The budget of calls is spent: %(used)s of %(allowed)s are used, and the next call may take %(next)s. "
        "What is done is kept. Raise the budget on the page of the run, then resume."
    ),
    _(
        "The budget of tokens is spent: %(used)s of %(allowed)s are used, and the next call may take %(next)s. "
        "What is done is kept. Raise the budget on the page of the run, then resume."
    ),
    _(
        "The budget of money is spent: %(used)s of %(allowed)s are used, and the next call may take %(next)s. "
        "What is done is kept. Raise the budget on the page of the run, then resume."
    ),
    _(
        "The budget of %(count)s seconds is spent. "
        "What is done is kept. Raise the budget on the page of the run, then resume."
    ),
    _("The endpoints of %(run)s have prices in %(currencies)s. Give all in one currency, then resume."),
    _(
        "%(run)s has a budget of money, but endpoint '%(name)s' has no price. Write price_in, price_out and currency "
        "into its options, or take the budget away, then resume."
    ),
)
TEXTS = (*LOG, *STOPS, *BUDGETS)
