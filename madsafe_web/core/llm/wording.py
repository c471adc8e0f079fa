"""Why a run stopped at vLLM's child process, for `madsafe_web.core.wording`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

TEXTS = (
    _("MADSAFE_VLLM_PYTHON is not set: it names the Python of an environment with vLLM. Set it where the worker runs."),
    _("MADSAFE_VLLM_PYTHON names no program that can be started (%(why)s): %(path)s"),
    _("vLLM cannot load %(model)s (%(why)s): correct the model or the options of this endpoint."),
    _("vLLM did not load %(model)s within %(count)s seconds."),
    _("vLLM died %(count)s times in a row without an answer (%(why)s): look at its memory."),
    _("Endpoint '%(name)s': batches go to one server. Take 'replicas' out of its options."),
    _("crashed: vLLM died of this call (%(why)s)."),
    _("timeout: vLLM gave no answer to this call within %(count)s seconds."),
    _("bad_request: vLLM refuses this call: %(why)s"),
)
