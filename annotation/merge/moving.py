"""A draft goes on with another taxonomy: its entries are put where the new one has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet

from annotation.merge.operations import Codes, Step, Verb, draft_locked, operation_do
from annotation.merge.states import EntryState
from annotation.models import DecidedBy, LabelOperation, LabelOpinion, LabelRule, MapEntry, MergeMap, Taxonomy
from annotation.selectors import categories
from madsafe_web.core.models import User


@transaction.atomic
def draft_move(
    *, draft: MergeMap, taxonomy: Taxonomy, user: User | None, renamed: Mapping[str, str]
) -> LabelOperation | None:
    """Let a draft go on with a taxonomy. `renamed`: code → the one that it has there.

    What stays under its code is moved silently. Labels of other codes change in one step of the person, to the new code
    or to undecided; None comes back where there are none. Raises StageError when the map was published meanwhile.
    """
    held = draft_locked(draft)
    old, new = Codes.of(held), dict(categories(taxonomy).values_list("code", "id"))
    becomes = {code: found for code in old.id_of if (found := _target(code, new, renamed)) != code}
    entries = MapEntry.objects.filter(merge_map=held)
    seen = dict(entries.filter(category__code__in=becomes).values_list("label", "revision"))
    seen |= dict(_opinions_gone(held, becomes).values_list("entry__label", "entry__revision"))
    MergeMap.objects.filter(pk=held.pk).update(taxonomy=taxonomy)
    draft.taxonomy = taxonomy
    for code, pk in old.id_of.items():
        if code not in becomes:
            entries.filter(category=pk).update(category=new[code])
    step = None
    if seen:
        codes = Codes(new, {**old.code_of, **{pk: code for code, pk in new.items()}})
        asked = Step(Verb.APPLY, {"taxonomy": taxonomy.version, "target": ""}, lambda state: _moved(state, becomes))
        step = operation_do(draft=draft, user=user, seen=seen, step=asked, codes=codes)
    _follow(held, becomes)
    return step


def _target(code: str, new: Mapping[str, int], renamed: Mapping[str, str]) -> str:
    """The code that labels of this code get, "" where the new taxonomy has none for them."""
    wanted = renamed.get(code, code)
    return wanted if wanted in new else ""


def _moved(state: EntryState, becomes: Mapping[str, str]) -> EntryState:
    """An entry in the new taxonomy. Where a code went, what two people had said about it is to be said again."""
    if state.target not in becomes:
        return replace(state, second=MapEntry.Second.NONE)
    target = becomes[state.target]
    by = state.by if target else DecidedBy.NOBODY
    second = state.second if target else MapEntry.Second.NONE
    return replace(state, target=target, by=by, second=second)


def _opinions_gone(draft: MergeMap, becomes: Mapping[str, str]) -> QuerySet[LabelOpinion]:
    gone = [code for code, target in becomes.items() if not target]
    return LabelOpinion.objects.filter(standing=True, entry__merge_map=draft, target__in=gone)


def _follow(draft: MergeMap, becomes: Mapping[str, str]) -> None:
    """Rules and blind answers name codes too: they take the new one, or fall with the old one.

    So do those that do not stand, since a step that is taken back or done again may bring them back.
    """
    opinions, rules = LabelOpinion.objects.filter(entry__merge_map=draft), LabelRule.objects.all()
    # The blind answers of a label that has to be said again fall together.
    entries = list(_opinions_gone(draft, becomes).values_list("entry", flat=True))
    opinions.filter(entry__in=entries).update(standing=False)
    for code, target in becomes.items():
        if target:
            opinions.filter(target=code).update(target=target)
            rules.filter(target=code).update(target=target)
        else:
            opinions.filter(target=code).update(standing=False, undone=True)
            rules.filter(target=code).update(standing=False)
