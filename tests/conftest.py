"""What all tests share: one signed-in browser for each role, and nothing kept in the process between them."""

from __future__ import annotations

import pytest

from annotation import corpus_facts, label_use, spread
from annotation.catalogue import held
from annotation.merge import proposals
from madsafe_web.core.models import User
from tests.factories import Person, make_user, sign_in


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Rows of a test come again under the ids of those before it, where an installation only adds."""
    label_use.forget()
    proposals.forget()
    spread.forget()
    corpus_facts.forget()
    held.forget()


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
