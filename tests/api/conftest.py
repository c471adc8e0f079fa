"""One program for each role."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import User
from tests.api.calls import Program
from tests.factories import make_user


def program(role: str) -> Program:
    return Program(make_user(f"{role}_program", role))


@pytest.fixture
def annotator_api(db: None) -> Program:
    return program(User.Role.ANNOTATOR)


@pytest.fixture
def reviewer_api(db: None) -> Program:
    return program(User.Role.REVIEWER)


@pytest.fixture
def lead_api(db: None) -> Program:
    return program(User.Role.LEAD)


@pytest.fixture
def admin_api(db: None) -> Program:
    return program(User.Role.ADMIN)
