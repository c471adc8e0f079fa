"""The people of these tests."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import User
from tests.factories import make_user


@pytest.fixture
def lead() -> User:
    return make_user("the lead", User.Role.LEAD)


@pytest.fixture
def first() -> User:
    return make_user("first")


@pytest.fixture
def second() -> User:
    return make_user("second")
