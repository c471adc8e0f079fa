# The index over all rows of all runs, in a migration of its own: it takes long where there are many rows, and the tables
# that every request reads must not stay locked for as long.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0008_runs_used'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='runrow',
            index=models.Index(fields=['run', 'outcome', 'error_class'], name='runrow_ended'),
        ),
        migrations.RemoveIndex(
            model_name='runrow',
            name='runrow_outcome',
        ),
    ]
