"""What the stage `evaluate` writes into the log of a run, and why it stops, for `madsafe_web.core.wording`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

LOG = (
    _("%(benchmark)s is left out: no corpus with the role benchmark has items for it."),
    _("safetybench: %(count)s questions name a category it does not have and are left out."),
    _("new_safety: prompts lacking to %(count)s a category: %(listed)s."),
    _("new_safety: %(reason)s"),
    _("%(count)s uncertain verdicts wait for people, %(settled)s were settled by rule."),
)
STOPS = (
    _("There is no benchmark '%(name)s'. Known: %(names)s."),
    _("No benchmark has any item. Import SafetyBench, CValues or S-Eval with the role 'benchmark', then start again."),
    _("%(training)s notes no endpoint for its model. Name one as `tuned_endpoint`."),
    _("New-Safety cannot be sampled: %(error)s."),
)
TEXTS = (*LOG, *STOPS)
