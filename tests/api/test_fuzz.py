"""schemathesis over the OpenAPI description, as each role: no 500, no status, type or body that is not declared."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from madsafe_web.core.api.schema import description
from madsafe_web.core.models import User
from tests.api.calls import make_token
from tests.roles import ROLES
from tests.world import World, make_world

# Enough for every operation to be met with good, wrong and no data, in about a minute for all roles.
EXAMPLES = {"anonymous": 2, "annotator": 4, "reviewer": 4, "lead": 12, "admin": 6}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> Iterator[World]:
    settings.VAR_DIR = tmp_path
    logging.disable(logging.WARNING)  # a thousand refusals, all of them wanted
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)  # as in Django's own test client: the transaction goes on
    yield make_world(tmp_path)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
    logging.disable(logging.NOTSET)


def existing(world: World) -> dict[str, list[Any]]:
    """Path of an operation → the arguments that name an object of it."""
    from django.urls import get_resolver

    found = {}
    for name, arguments in world.items():
        if name.startswith("api:"):
            ((template, _names),) = get_resolver().namespace_dict["api"][1].reverse_dict.getlist(name[4:])[0][0]
            found["/api/v1/" + template.replace("%(", "{").replace(")s", "}").replace("{pk}", "{id}")] = arguments
    return found


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_nothing_that_is_sent_gets_an_undeclared_answer(role: str, world: World) -> None:
    app = WSGIHandler()
    schema = schemathesis.openapi.from_dict(description())
    schema.app = app
    headers = {}
    if role != "anonymous":
        make_token(User.objects.get(username=role), f"mads_{role}")
        headers = {"Authorization": f"Bearer mads_{role}"}
    there, failures = existing(world), []
    assert set(there) <= set(description()["paths"])
    for result in schema.get_all_operations():
        operation = result.ok()
        arguments = there.get(operation.path)
        try:
            fuzz(operation, headers, arguments, EXAMPLES[role])
        except (Exception, BaseExceptionGroup) as error:  # gathered, to name all of them at once
            failures.append(f"{operation.label}: {told(error)}")
    assert not failures, "\n\n".join(failures)


def fuzz(operation: Any, headers: dict[str, str], arguments: list[Any] | None, count: int) -> None:
    """Send `count` examples of good and of wrong data; half of them go to the object that exists."""
    turn = 0

    def send(case: Case) -> None:
        nonlocal turn
        turn += 1
        if arguments and turn % 2:
            case.path_parameters = dict(zip(case.path_parameters, arguments, strict=True))
        case.call_and_validate(headers=headers, checks=CHECKS)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        cases = operation.as_strategy(generation_mode=mode)
        bounded = settings(
            max_examples=count,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        bounded(given(case=cases)(send))()


def told(error: BaseException) -> str:
    """What schemathesis found, without the stack."""
    inner = getattr(error, "exceptions", ())
    return "; ".join(told(one) for one in inner) if inner else f"{error!r} {error}"
