"""The text for search of every prompt, and an index over it that finds one character as well as many."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from annotation.searching import INDEX, INSERT, grams
from annotation.text import folded

BATCH = 2000
SQLITE = (
    # Only the pairs of characters are kept, no text; `hashsize` is memory for new rows before they are sorted in.
    f"CREATE VIRTUAL TABLE {INDEX} USING fts5(grams, content='', tokenize='ascii', detail=none, columnsize=0)",
    f"INSERT INTO {INDEX} ({INDEX}, rank) VALUES ('hashsize', 16777216)",
)
POSTGRESQL = (
    f"CREATE INDEX {INDEX} ON annotation_prompt USING gin (string_to_array(folded, NULL))",
    "ANALYZE annotation_prompt",  # an index on an expression has statistics of its own
)


def fill(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Prompts stored before had no text for search."""
    sqlite = editor.connection.vendor == "sqlite"
    rows = apps.get_model("annotation", "Prompt").objects.order_by("pk").values_list("pk", "text")
    last = 0
    with editor.connection.cursor() as cursor:
        for statement in SQLITE if sqlite else ():
            cursor.execute(statement)
        while batch := [(pk, folded(text)) for pk, text in rows.filter(pk__gt=last)[:BATCH]]:
            cursor.executemany(
                "UPDATE annotation_prompt SET folded = %s WHERE id = %s", [(text, pk) for pk, text in batch]
            )
            if sqlite:
                cursor.executemany(INSERT, [(pk, grams(text)) for pk, text in batch])
            last = batch[-1][0]
        for statement in () if sqlite else POSTGRESQL:
            cursor.execute(statement)


def drop(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    sqlite = editor.connection.vendor == "sqlite"
    editor.execute(f"DROP TABLE {INDEX}" if sqlite else f"DROP INDEX {INDEX}")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0004_corpora")]
    operations = [migrations.RunPython(fill, drop)]
