"""Index mostly empty columns only where they are filled, and drop what another index serves as well.

The fields themselves do not change. Django would copy both tables six times on SQLite to drop these indexes.
"""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

COLUMNS = {
    "Prompt": ("corpus", "generation", "state_run", "twin"),
    "Response": ("generation", "prompt"),
}


def each(apps: Any) -> Any:
    for model, names in COLUMNS.items():
        found = apps.get_model("annotation", model)
        yield from ((found, found._meta.get_field(name)) for name in names)


def drop(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    for model, field in each(apps):
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        for name, one in found.items():
            if one["index"] and not one["unique"] and one["columns"] == [field.column]:
                schema_editor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")


def make(apps: Any, schema_editor: Any) -> None:
    for model, field in each(apps):
        schema_editor.execute(schema_editor._create_index_sql(model, fields=[field]))


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0007_corrected'),
        ('core', '0007_templates'),
    ]

    operations = [
        migrations.RunPython(drop, make),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='prompt',
                    name='corpus',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='prompts', to='annotation.corpus'),
                ),
                migrations.AlterField(
                    model_name='prompt',
                    name='generation',
                    field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.generation', to_field='call_key'),
                ),
                migrations.AlterField(
                    model_name='prompt',
                    name='state_run',
                    field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.run'),
                ),
                migrations.AlterField(
                    model_name='prompt',
                    name='twin',
                    field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.prompt'),
                ),
                migrations.AlterField(
                    model_name='response',
                    name='generation',
                    field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.generation', to_field='call_key'),
                ),
                migrations.AlterField(
                    model_name='response',
                    name='prompt',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='responses', to='annotation.prompt'),
                ),
            ]
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(condition=models.Q(('state_run__isnull', False)), fields=['state_run'], name='prompt_state_run'),
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(condition=models.Q(('twin__isnull', False)), fields=['twin'], name='prompt_twin'),
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(condition=models.Q(('generation__isnull', False)), fields=['generation'], name='prompt_generation'),
        ),
        migrations.AddIndex(
            model_name='response',
            index=models.Index(condition=models.Q(('generation__isnull', False)), fields=['generation'], name='response_generation'),
        ),
    ]
