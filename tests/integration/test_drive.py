"""examples/drive.py against a served installation: the whole method over HTTP; a second call repeats nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.installation import Installation, installed
from tests.integration.test_serve import Site, free_port, serve

pytestmark = pytest.mark.slow
TOKEN = "mads_for_tests_only"
LEAD = f"""
import hashlib
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.models import ApiToken, User
lead = User.objects.create_user("lead", password="a password for tests only", role="lead")
rights = ["browse", "merge", "publish", "run", "train", "export"]
ApiToken.objects.create(user=lead, digest=hashlib.sha256(b"{TOKEN}").hexdigest(), hint="only", rights=rights)
endpoint_declare("base", {{"backend": "tiny_llama"}})
"""


def drive(made: Installation, url: str) -> str:
    """What the example prints."""
    done = made.start("examples/drive.py", MADSAFE_URL=url, MADSAFE_TOKEN=TOKEN).wait(200)
    assert done.code == 0, f"{done.out}{done.err}{made.errors()}"
    return done.out


def test_the_example_drives_the_whole_method_once(tmp_path: Path) -> None:
    with installed(tmp_path / "installation") as made:
        made.migrated().with_models()
        assert made.manage("shell", "-v0", "-c", LEAD).code == 0
        port = free_port()
        site = Site(made, serve(made, port), f"http://127.0.0.1:{port}")
        site.ready()
        said = drive(made, site.url)
        assert [line.split()[0] for line in said.splitlines()[-3:]] == ["safetybench", "new_safety", "cvalues"]
        states = made.rows("SELECT stage, state FROM core_run")
        assert {state for _, state in states} == {"done"}
        assert {"import", "label", "merge", "select", "freeze", "export", "train", "evaluate"} <= {s for s, _ in states}
        drive(made, site.url)
        assert made.one("SELECT COUNT(*) FROM core_run") == len(states)
