"""The merge history in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from annotation.merge.states import DROP
from annotation.models import LabelOperation

Verb = LabelOperation.Verb


def step_text(operation: LabelOperation) -> str:
    """A step in one sentence."""
    words = {
        LabelOperation.Kind.DO: _("%(label)s → %(outcome)s"),
        LabelOperation.Kind.UNDO: _("took back: %(label)s → %(outcome)s"),
        LabelOperation.Kind.REDO: _("did again: %(label)s → %(outcome)s"),
    }
    return words[LabelOperation.Kind(operation.kind)] % {"label": about(operation), "outcome": outcome(operation)}


def about(operation: LabelOperation) -> str:
    """The label or labels that a step was about: the first of them, and how many more."""
    if operation.verb == Verb.REVERT:
        told = {name: operation.payload[name] for name in ("count", "person")}
        return _("%(count)s steps of %(person)s") % told
    if operation.verb == Verb.WITHDRAW:
        told = {"key": operation.payload["key"], "target": target_name(operation.payload["target"])}
        return _("the rule “%(key)s” → %(target)s") % told
    label, count = operation.payload.get("label", ""), operation.payload.get("count", 1)
    if count > 1:
        return _("“%(label)s” and %(more)s more") % {"label": label, "more": count - 1}
    return _("“%(label)s”") % {"label": label}


def outcome(operation: LabelOperation) -> str:
    """What a step did with them."""
    payload = operation.payload
    if operation.verb == Verb.THEME:
        return _("named “%(theme)s”") % payload if payload["theme"] else _("each by itself")
    if operation.verb == Verb.FLAG:
        return _("flagged") if payload["flagged"] else _("flag taken away")
    if "taxonomy" in payload:
        return _("moved to version %(version)s of the taxonomy") % {"version": payload["taxonomy"]}
    if "rules" in payload:
        return _("by saved rules")
    if "file" in payload:
        return _("as in %(file)s") % {"file": payload["file"]}
    plain = {
        Verb.REFUSE: _("not together"),
        Verb.COMMENT: _("a comment"),
        Verb.OPINION: _("a blind answer"),
        Verb.REVERT: _("taken back"),
        Verb.WITHDRAW: _("withdrawn"),
    }
    return plain.get(Verb(operation.verb)) or target_name(payload.get("target", ""))


def target_name(target: str) -> str:
    """A target as it is told in a sentence."""
    return {DROP: _("not used"), "": _("undecided")}.get(target, target)
