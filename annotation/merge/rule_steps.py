"""What people do with saved rules: decide by them once more, and withdraw one. Each is a step that Undo takes back."""

from __future__ import annotations

from django.db import transaction

from annotation.merge.drafts import map_draft_open
from annotation.merge.operations import Step, Verb, draft_locked, operation_do
from annotation.merge.rules import rows_open, rules_apply
from annotation.models import LabelOperation, LabelRule
from madsafe_web.core.models import User


@transaction.atomic
def rules_reapply(user: User) -> LabelOperation | None:
    """Decide by the standing rules all labels of the draft that are undecided, as one step; None for no label."""
    draft = map_draft_open(user)
    return rules_apply(draft, list(rows_open(draft).values_list("label", flat=True)), user)


@transaction.atomic
def rule_withdraw(user: User, rule: LabelRule) -> LabelOperation | None:
    """Let a rule decide no more labels, by a step that can be taken back; those that it decided stay as they are.

    None when it stands no more. Opens the draft if there is none.
    """
    draft = draft_locked(map_draft_open(user))
    if not LabelRule.objects.filter(pk=rule.pk, standing=True).update(standing=False):
        return None
    told = {"rule": rule.pk, "keyer": rule.keyer, "key": rule.key, "target": rule.target}
    operation = operation_do(draft=draft, user=user, seen={}, step=Step(Verb.WITHDRAW, told, lambda state: state))
    LabelRule.objects.filter(pk=rule.pk).update(withdrawn=operation)
    return operation
