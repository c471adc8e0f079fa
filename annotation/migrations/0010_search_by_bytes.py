"""Let the search index of PostgreSQL compare characters as bytes: by the rules of a language it takes longer to fill."""

from __future__ import annotations

from typing import Any

from django.db import migrations

INDEX = "annotation_promptsearch"


def indexed(text: str) -> Any:
    """A step that makes the index anew over the characters of this expression."""

    def make(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX {INDEX}")
            schema_editor.execute(f"CREATE INDEX {INDEX} ON annotation_prompt USING gin (string_to_array({text}, NULL))")
            schema_editor.execute("ANALYZE annotation_prompt")  # an index on an expression has statistics of its own

    return make


class Migration(migrations.Migration):

    dependencies = [('annotation', '0009_key_before_corpus')]

    operations = [migrations.RunPython(indexed('folded COLLATE "C"'), indexed("folded"))]
