"""Let the unique index of prompts begin with the key on PostgreSQL, so that keys are always looked up by it.

SQLite finds keys by the old order as well, and to change it, Django would copy the whole table twice.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

NAME = "prompt_once_per_corpus"


def ordered(*columns: str) -> Any:
    """A step that makes the constraint anew with its columns in this order."""

    def make(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE annotation_prompt DROP CONSTRAINT {NAME}")
            schema_editor.execute(f"ALTER TABLE annotation_prompt ADD CONSTRAINT {NAME} UNIQUE ({', '.join(columns)})")

    return make


class Migration(migrations.Migration):

    dependencies = [('annotation', '0008_leaner_indexes')]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(ordered("key", "corpus_id"), ordered("corpus_id", "key")),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name='prompt', name=NAME),
                migrations.AddConstraint(
                    model_name='prompt',
                    constraint=models.UniqueConstraint(fields=('key', 'corpus'), name=NAME),
                ),
            ],
        ),
    ]
