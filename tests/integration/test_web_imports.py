"""The web process stays light: what models and scoring need is loaded only by the workers."""

from __future__ import annotations

import subprocess
import sys

from tests.helpers.installation import ROOT

HEAVY = ("torch", "sklearn", "transformers", "numpy", "scipy", "pandas")
PROGRAM = f"""
import sys
import madsafe_web.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""


def test_the_web_process_loads_nothing_heavy_with_all_its_pages() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
