"""A run of `instruction_safety` that asks the counting stub, queued for the workers of an installation."""

from __future__ import annotations

import json
from typing import Any

from madsafe_web.core.management.commands.serve import worker_command
from tests.helpers.counting_stub import Counts, Stub, score
from tests.helpers.installation import Installation, Running, import_of, prompt_file

SETTINGS = {"DJANGO_SETTINGS_MODULE": "madsafe_web.settings"}
QUEUE = """
import json
import sys
import django
django.setup()
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.runs import service
from madsafe_web.core.runs.tasks import enqueue
endpoint_declare("stub", {"backend": "openai_compatible", "model": "m", **json.loads(sys.argv[1])})
run = service.run_create(stage_name="instruction_safety", values={"endpoint": "stub"})
assert service.run_start(run)
enqueue(run)
"""
THE_RUN = "(SELECT MAX(id) FROM core_run WHERE stage = 'instruction_safety')"
STATE = f"SELECT state FROM core_run WHERE id = {THE_RUN}"
OUTCOMES = (
    f"SELECT outcome, COUNT(*), COUNT(DISTINCT subject) FROM core_runrow WHERE run_id = {THE_RUN} GROUP BY outcome"
)
ENDED = f"SELECT COUNT(*) FROM core_runrow WHERE run_id = {THE_RUN}"
COUNTED = f"SELECT SUM(read), SUM(kept), SUM(failed) FROM core_chunk WHERE run_id = {THE_RUN}"
USED = f"SELECT SUM(calls), SUM(prompt_tokens), SUM(completion_tokens) FROM core_chunk WHERE run_id = {THE_RUN}"
SCORES = "SELECT p.text, s.value FROM pipeline_score s JOIN annotation_prompt p ON p.id = s.prompt_id"
OWNERS = f"SELECT DISTINCT owner FROM core_chunk WHERE state = 'leased' AND run_id = {THE_RUN}"

ON_A_HOST = """
import runpy
import socket
import sys
host = sys.argv.pop(1)
socket.gethostname = lambda: host
runpy.run_module("celery", run_name="__main__", alter_sys=True)
"""


def worker(made: Installation, host: str = "") -> Running:
    """Start a worker; one that believes that it runs on another host cannot see whether the others' processes live."""
    module, *arguments = worker_command()[2:]
    assert module == "celery"
    return made.start("-c", ON_A_HOST, host, *arguments) if host else made.start("-m", module, *arguments)


def import_rows(made: Installation, rows: int) -> None:
    """Give the installation so many prompts, which the stub knows by their numbers."""
    chain = made.chain([import_of(prompt_file(made.folder, rows), name="prompts")])
    done = made.manage("run_pipeline", chain, "--json", seconds=300)
    assert done.code == 0, done.err


def queue(made: Installation, stub: Stub, connections: int, **options: Any) -> None:
    """Queue a run over all prompts; each worker may have so many calls at once."""
    endpoint = {"base_url": stub.url, "concurrency": connections, "options": options}
    done = made.start("-c", QUEUE, json.dumps(endpoint)).wait(120)
    assert done.code == 0, done.err


def assert_each_row_once(made: Installation, rows: int, counts: Counts) -> None:
    """One result for each row, the one that the stub gave; usage as the stub counts it, without what was repeated."""
    assert made.rows(OUTCOMES) == [("done", rows, rows)]
    assert [tuple(map(int, row)) for row in made.rows(COUNTED)] == [(rows, rows, 0)]
    assert made.one("SELECT COUNT(*) FROM core_generation") == rows
    given = sorted((int(text.partition("号")[0].removeprefix("第")), value) for text, value in made.rows(SCORES))
    assert given == [(row, score(row)) for row in range(rows)]
    assert [tuple(map(int, row)) for row in made.rows(USED)] == [counts.used]
