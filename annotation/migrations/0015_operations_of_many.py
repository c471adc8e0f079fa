from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("annotation", "0014_changes")]

    operations = [
        migrations.RemoveField(
            model_name='labeloperation',
            name='after',
        ),
        migrations.RemoveField(
            model_name='labeloperation',
            name='before',
        ),
        migrations.RemoveField(
            model_name='labeloperation',
            name='label',
        ),
    ]
