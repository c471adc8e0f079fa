"""Superusers of installations that are older than the roles get the role admin, which is what lets them in now."""

from django.db import migrations


def to_admins(apps, schema_editor):
    people = apps.get_model("core", "User").objects.using(schema_editor.connection.alias)
    people.filter(is_superuser=True).update(role="admin")


class Migration(migrations.Migration):
    dependencies = [("core", "0004_audit_sealed")]
    operations = [migrations.RunPython(to_admins, migrations.RunPython.noop)]
