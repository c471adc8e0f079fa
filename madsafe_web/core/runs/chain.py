"""A declared chain of runs: read from YAML, made once, worked through in order, picked up again where it stopped."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from django.db import connection, transaction

from madsafe_web.core.audit import audit
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import deadline, drafts, service
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.stage import RowStage
from madsafe_web.core.runs.stages import stage
from madsafe_web.core.runs.worker import work_on

logger = logging.getLogger(__name__)
WAIT_S = 0.5
SAY_S = 1.0
WORKING = (*service.ACTIVE, Run.State.PAUSING, Run.State.CANCELLING)


@dataclass(frozen=True, slots=True)
class Step:
    stage: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """A configuration that was read and checked. `identity` changes with its content: other parameters, other runs."""

    name: str
    identity: str
    endpoints: dict[str, dict[str, Any]]
    steps: tuple[Step, ...]
    deadline: str = ""  # until when its runs may ask; not part of the identity
    shared_cache: bool = True


def read(path: Path) -> Chain:
    """The chain that a YAML file declares. Raises ConfigError in one sentence that names the file and the place."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}. Give the path of a chain such as examples/sample.yaml.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict) or not isinstance(data.get("stages"), list) or not data["stages"]:
        raise ConfigError(f"{path} must be a mapping with a list `stages:`; see examples/sample.yaml.")
    if unknown := set(data) - {"name", "endpoints", "stages", "deadline", "cache"}:
        known = "name, endpoints, stages, deadline, cache"
        raise ConfigError(f"{path} has an unknown key '{min(map(str, unknown))}'. Known: {known}.")
    if not isinstance(shared := data.get("cache", True), bool):
        raise ConfigError(f"{path}: 'cache' is true or false: whether stored replies of other runs answer.")
    until = str(data.pop("deadline", "") or "")
    deadline.parsed(until)
    name = str(data.get("name", path.stem))[:40]
    steps = tuple(_step(path, number, entry) for number, entry in enumerate(data["stages"], 1))
    identity = hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return Chain(name, f"{name}-{identity}", _endpoints(path, data.get("endpoints") or {}), steps, until, shared)


def _endpoints(path: Path, declared: Any) -> dict[str, dict[str, Any]]:
    """The fields of each endpoint by its name."""
    if not isinstance(declared, dict):
        raise ConfigError(f"{path}: write `endpoints:` as `name: {{field: value}}`.")
    for name, fields in declared.items():
        if not isinstance(fields, dict):
            raise ConfigError(f"{path}, endpoint '{name}': write `{name}: {{field: value}}`.")
    return declared


def _step(path: Path, number: int, entry: Any) -> Step:
    """`- deduplicate` or `- deduplicate: {threshold: 0.7}`."""
    if isinstance(entry, str):
        return Step(entry, {})
    if isinstance(entry, dict) and len(entry) == 1:
        ((name, params),) = entry.items()
        if params is None or isinstance(params, dict):
            return Step(str(name), params or {})
    raise ConfigError(f"{path}, stage {number}: write `- name` or `- name: {{parameter: value}}`.")


@transaction.atomic
def prepare(chain: Chain, user: User | None = None) -> list[Run]:
    """The runs of the chain in order: those of an earlier call, or new ones in draft, made by `user` or by the system.

    Raises ConfigError.
    """
    for name in fallbacks_first(chain.endpoints):
        endpoint_declare(name, chain.endpoints[name], user)
    until = deadline.parsed(chain.deadline)
    runs = list(Run.objects.filter(chain=chain.identity).order_by("step"))
    for number, step in enumerate(chain.steps, 1):
        stage(step.stage)
        if number > len(runs):
            place: dict[str, Any] = {"chain": chain.identity, "step": number, "shared_cache": chain.shared_cache}
            runs.append(service.run_create(stage_name=step.stage, values=step.params, user=user, **place))
    for run in runs:
        if until and run.state != Run.State.DONE and isinstance(stage(run.stage), RowStage):
            _give_deadline(run, until, user)
    return runs


def _give_deadline(run: Run, until: deadline.When, user: User | None) -> None:
    """Give a run the deadline of the chain; one in work keeps its own, which its log and a warning say.

    No error: a run whose process was killed counts as in work, and the chain has to go on with it.
    """
    given = drafts.run_deadline(run=run, when=until, user=user)
    if not given and run.state != Run.State.CANCELLED and run.deadline != until:
        kept = f"{run} is in work, so its deadline stays as it is. Pause it, then set another one."
        service.log(run, kept)
        logger.warning(kept)


def fallbacks_first(endpoints: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of declared endpoints, each behind its fallback. Raises ConfigError where fallbacks go in a circle."""
    ordered: list[str] = []
    waiting = {name: str(values.get("fallback", "")) for name, values in endpoints.items()}
    while waiting:
        ready = [name for name, fallback in waiting.items() if fallback not in waiting]
        if not ready:
            raise ConfigError(f"Endpoint '{min(waiting)}': the fallback leads back to the endpoint itself.")
        ordered += ready
        waiting = {name: fallback for name, fallback in waiting.items() if name not in ready}
    return ordered


def work_through(runs: list[Run], say: Callable[[Run], None], user: User | None = None) -> Run:
    """Work on the runs in order in this process until one does not end as done; returns the last one touched.

    `say` is called with every run when its work ends, and once a second in between.
    """
    for run in runs:
        if run.state != Run.State.DONE:
            work_to_end(run, say, user)
        if run.state != Run.State.DONE:
            return run
    return runs[-1]


def begin(run: Run, user: User | None) -> None:
    """Start or resume a run, with an event of the audit record."""
    verb = "run.resume" if run.chunks.exists() else "run.start"
    if service.run_start(run):
        audit(user, verb, str(run))


def work_to_end(run: Run, say: Callable[[Run], None], user: User | None = None) -> None:
    """Start or resume a run and work on it until it rests; other workers may help."""
    begin(run, user)
    run.chunks.update(attempts=0)  # somebody calls again: that is a resume, also of a run whose worker was killed
    with _telling(run, say):
        run.refresh_from_db()
        while run.state in WORKING:
            run = work_on(run.pk)
            if run.state in WORKING:
                time.sleep(WAIT_S)  # the rest is in other workers' hands


@contextmanager
def _telling(run: Run, say: Callable[[Run], None]) -> Iterator[None]:
    """While entered, `say` is called once a second from a thread with a connection of its own; once more at the end."""
    over = threading.Event()

    def tell() -> None:
        seen = Run.objects.get(pk=run.pk)
        while not over.wait(SAY_S):
            seen.refresh_from_db()
            say(seen)
        connection.close()

    thread = threading.Thread(target=tell, name="telling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        run.refresh_from_db()
        say(run)
