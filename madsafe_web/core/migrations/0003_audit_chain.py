"""Number and chain the events that were written before there was a chain."""

import hashlib
from datetime import UTC

import orjson
from django.db import migrations

GENESIS = "0" * 64


def digest(event):
    """As core.audit.digest was when this migration was written."""
    content = {
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "verb": event.verb,
        "subject": event.subject,
        "facts": event.facts,
        "address": event.address,
        "previous": event.previous,
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def chain(apps, schema_editor):
    events = apps.get_model("core", "AuditEvent")
    before, number, batch = GENESIS, 0, []
    for event in events.objects.order_by("id").iterator(1000):
        number += 1
        event.sequence, event.previous = number, before
        event.sha256 = before = digest(event)
        batch.append(event)
        if len(batch) == 500:
            events.objects.bulk_update(batch, ["sequence", "previous", "sha256"])
            batch = []
    events.objects.bulk_update(batch, ["sequence", "previous", "sha256"])
    apps.get_model("core", "AuditHead").objects.create(pk=1, sequence=number, sha256=before)


def nothing(apps, schema_editor):
    """The columns go with the migration before this one."""
    apps.get_model("core", "AuditHead").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0002_house")]
    operations = [migrations.RunPython(chain, nothing)]
