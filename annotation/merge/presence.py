"""Who looks at which label now, so that two people do not start on the same one unknowingly. It locks nothing."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from annotation.models import IntentLabel, LabelPresence
from madsafe_web.core.models import User

SEEN_FOR = timedelta(seconds=15)  # three of the page's polls


def presence_note(user: User, label: IntentLabel) -> None:
    """Remember that a person looks at a label now; only their newest place is kept."""
    LabelPresence.objects.update_or_create(person=user, defaults={"label": label, "seen": timezone.now()})


def presence_now(user: User) -> list[tuple[int, str]]:
    """Label id and name of every other person seen there in the last SEEN_FOR, by name."""
    rows = LabelPresence.objects.filter(seen__gt=timezone.now() - SEEN_FOR).exclude(person=user)
    return list(rows.order_by("person__username").values_list("label", "person__username"))
