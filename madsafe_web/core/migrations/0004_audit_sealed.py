"""From here on the columns of the chain are always filled, and the database refuses to change the record."""

from django.db import migrations, models

from madsafe_web.core.audit_triggers import drop, install


def forwards(apps, schema_editor):
    install(schema_editor.connection)


def backwards(apps, schema_editor):
    drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("core", "0003_audit_chain")]
    operations = [
        migrations.AlterField("auditevent", "sequence", models.PositiveBigIntegerField(unique=True)),
        migrations.AlterField("auditevent", "previous", models.CharField(max_length=64)),
        migrations.AlterField("auditevent", "sha256", models.CharField(max_length=64)),
        migrations.RunPython(forwards, backwards),
    ]
