"""What the performance scripts share: a Django to import, a table, and the last line as one JSON object."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

EXIT_MEASURED, EXIT_VOID = 0, 3


def setup_django() -> None:
    """Make the settings readable in this process; nothing of an installation of ours is touched."""
    os.environ["MADSAFE_SECRET_KEY"] = "a key for measuring only, long enough for the settings to take it"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "madsafe_web.settings")
    import django

    django.setup()


def end_on_signals() -> None:
    """From here on a call to end leaves the blocks that were entered, and so ends what was started in them."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A small table with columns as wide as they need be."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def end(facts: Mapping[str, Any], *, remarks: Sequence[str] = (), void: str = "") -> int:
    """Print what does not hold, then the facts as the last line; gives the exit status: measured or void."""
    for sentence in (*remarks, *([void] if void else [])):
        print(sentence)
    print(json.dumps(facts), flush=True)
    return EXIT_VOID if void else EXIT_MEASURED
