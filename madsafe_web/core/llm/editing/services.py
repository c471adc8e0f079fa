"""Saving an edited copy of a template, and choosing which version runs use from now on. Both are recorded."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from madsafe_web.core.audit import actor_name, audit
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.editing.checking import edited, faults
from madsafe_web.core.models import PromptTemplate, TemplateVersion, User


class NoSuchVersion(Exception):
    """The template has no version of that number."""


def version_save(*, user: User | None, name: str, text: str, note: str = "") -> TemplateVersion:
    """Keep a text as the next version of a template; runs do not use it before somebody chooses it.

    Raises ValidationError for a text that cannot take the place of the file, or that is there already.
    """
    template = edited(name, text)
    if said := faults(template):
        raise ValidationError({"text": said})
    if template.sha256 == templates.load(name).sha256:
        raise ValidationError({"text": _("This is the text of the file, which is version 0.")})
    same = TemplateVersion.objects.filter(name=name, template__sha256=template.sha256).first()
    if same:
        raise ValidationError({"text": _("This is the text of version %(number)d.") % {"number": same.number}})
    try:
        return _keep(user, template, note)
    except IntegrityError:  # the next number, or the text, was taken in between
        raise ValidationError(_("Somebody else saved a version just now. Look at it, then save again.")) from None


@transaction.atomic
def _keep(user: User | None, template: templates.Template, note: str) -> TemplateVersion:
    defaults = {"name": template.name, "text": template.text}
    text = PromptTemplate.objects.get_or_create(sha256=template.sha256, defaults=defaults)[0]
    last = TemplateVersion.objects.filter(name=template.name).aggregate(last=Max("number"))["last"] or 0
    row = TemplateVersion.objects.create(
        name=template.name,
        number=last + 1,
        template=text,
        note=note,
        author=user,
        author_name=actor_name(user),
    )
    audit(user, "template.save", template.name, number=row.number, sha256=template.sha256)
    return row


@transaction.atomic
def version_use(*, user: User | None, name: str, number: int) -> bool:
    """Let runs that start from now on use a version, 0 the file. False when they do so already.

    Raises NoSuchVersion.
    """
    rows = TemplateVersion.objects.select_for_update().filter(name=name)
    chosen = rows.filter(number=number).first()
    if number and chosen is None:
        raise NoSuchVersion(f"{name} has no version {number}.")
    before = rows.filter(in_use=True).values_list("number", flat=True).first() or 0
    if before == number:
        return False
    rows.filter(in_use=True).update(in_use=False)
    rows.filter(number=number).update(in_use=True)
    sha = chosen.template.sha256 if chosen else templates.load(name).sha256
    audit(user, "template.use", name, before=before, after=number, sha256=sha)
    return True
