"""One signed-in browser for each role."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import User
from tests.factories import Person, make_user, sign_in


@pytest.fixture
def annotator(db: None) -> Person:
    return sign_in(make_user("annotator", User.Role.ANNOTATOR))


@pytest.fixture
def reviewer(db: None) -> Person:
    return sign_in(make_user("reviewer", User.Role.REVIEWER))


@pytest.fixture
def lead(db: None) -> Person:
    return sign_in(make_user("lead", User.Role.LEAD))


@pytest.fixture
def admin(db: None) -> Person:
    return sign_in(make_user("admin", User.Role.ADMIN))
