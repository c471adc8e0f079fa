"""What the verbs of the audit record are called, for the page of the record and for the feed of the overview."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.method import Text
from madsafe_web.core.models import AuditEvent

VERBS: dict[str, Text] = {
    "map.publish": _("published %(subject)s"),
    "merge.finish": _("finished merging %(subject)s"),
    "merge.policy": _("changed which labels need two people"),
    "set.freeze": _("froze %(subject)s"),
    "set.export": _("exported %(subject)s"),
    "run.create": _("made %(subject)s"),
    "run.start": _("started %(subject)s"),
    "run.resume": _("resumed %(subject)s"),
    "run.pause": _("asked to pause %(subject)s"),
    "run.retry": _("asked for the failed rows of %(subject)s once more"),
    "run.change": _("changed the parameters of %(subject)s"),
    "run.reread": _("asked to read the stored replies of %(subject)s again"),
    "run.budget": _("changed the budget of %(subject)s"),
    "run.deadline": _("changed the deadline of %(subject)s"),
    "run.cache": _("changed whether %(subject)s takes replies of other runs"),
    "run.cancel": _("cancelled %(subject)s"),
    "corpus.import": _("imported the corpus %(subject)s"),
    "template.save": _("saved a version of the template %(subject)s"),
    "template.use": _("chose a version of the template %(subject)s"),
    "training.launch": _("launched the training %(subject)s"),
    "training.stop": _("stopped the training %(subject)s"),
}
# Group of verbs → what such events are about.
GROUPS: dict[str, Text] = {
    "login": _("Signing in"),
    "user": _("People"),
    "token": _("Access tokens"),
    "endpoint": _("Endpoints"),
    "key": _("Keys"),
    "corpus": _("Corpora"),
    "prompts": _("Prompts"),
    "run": _("Runs"),
    "template": _("Prompt templates"),
    "label": _("Label decisions"),
    "merge": _("Merging"),
    "map": _("Merge maps"),
    "review": _("Reviews"),
    "set": _("Alignment sets"),
    "training": _("Training"),
    "results": _("Results"),
    "audit": _("Audit"),
}
BEGINNINGS = {"login": "log"}  # group → beginning of its verbs, where it is not its own name with a dot
# What everybody may know of: the work itself, never who signed in, who may what, or who took something out.
OF_THE_METHOD = ("run", "template", "map", "set", "training", "corpus", "merge")
NOT_OF_THE_METHOD = ("set.download",)
METHOD = reduce(or_, (Q(verb__startswith=f"{group}.") for group in OF_THE_METHOD)) & ~Q(verb__in=NOT_OF_THE_METHOD)
# The making of a run is told by its start.
OF_THE_FEED = METHOD & ~Q(verb="run.create")


def told(event: AuditEvent) -> str:
    """The event as half a sentence after its actor; a verb without words as it is."""
    known = VERBS.get(event.verb)
    return str(known) % {"subject": event.subject} if known else f"{event.verb} {event.subject}"
