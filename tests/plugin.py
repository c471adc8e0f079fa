"""Loaded by pytest before Django's settings: a var folder and a secret key of the tests' own, and the marks."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import asdict
from typing import Any

import pytest
from django.utils import translation

OWNER = "MADSAFE_TESTS_OWNER"  # the process that made the folder removes it, its xdist workers only use it
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "client", "admin_client"}

if OWNER not in os.environ:
    os.environ[OWNER] = str(os.getpid())
    os.environ["MADSAFE_VAR"] = tempfile.mkdtemp(prefix="madsafe-tests-")
    os.environ["MADSAFE_SECRET_KEY"] = "a key for tests only, long enough for the settings to take"
    os.environ["MADSAFE_ENCRYPTION_KEYS"] = "an encryption key for the tests alone and long enough"
    os.environ["MADSAFE_URL"] = "http://127.0.0.1:8000"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches the database, so that it can be run again on PostgreSQL."""
    for item in items:
        if item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is installed (TESTS_SKIP_NOTHING), a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("TESTS_SKIP_NOTHING") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the walks of tests/test_access.py came to: each test of them notes how many requests it made."""
    noted = [
        dict(report.user_properties) for report in terminalreporter.stats.get("passed", []) if report.when == "call"
    ]
    asked = [found["permission walk"] for found in noted if "permission walk" in found]
    hidden = [found["hidden-object walk"] for found in noted if "hidden-object walk" in found]
    if asked:
        ways = "5 methods × 5 roles × 2 (htmx and not)"
        terminalreporter.write_line(f"permission walk: {len(asked)} addresses × {ways} = {sum(asked):,} requests")
    if hidden:
        terminalreporter.write_line(f"hidden-object walk: {sum(hidden):,} cases")


def pytest_unconfigure() -> None:
    if os.environ.get(OWNER) == str(os.getpid()):
        shutil.rmtree(os.environ["MADSAFE_VAR"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def emptied_with_the_audit() -> None:
    """A transactional test empties all tables, which the audit record refuses until its triggers are taken away."""
    from django.db.backends.base.operations import BaseDatabaseOperations

    from madsafe_web.core import audit_triggers

    flush = BaseDatabaseOperations.execute_sql_flush

    def flush_all(self: BaseDatabaseOperations, statements: list[str]) -> None:
        audit_triggers.drop(self.connection)
        flush(self, statements)
        audit_triggers.install(self.connection)

    BaseDatabaseOperations.execute_sql_flush = flush_all


@pytest.fixture(autouse=True)
def english() -> None:
    """Every test begins in English: a request in another language before it leaves that one active in the thread."""
    translation.activate("en")


@pytest.fixture(autouse=True)
def taxonomy(request: pytest.FixtureRequest) -> None:
    """The 14 categories, which a transactional test before this one may have flushed away."""
    if not request.node.get_closest_marker("database"):
        return
    request.getfixturevalue("transactional_db" if _transactional(request) else "db")
    from annotation.models import Category, Taxonomy
    from annotation.taxonomy import SHIPPED, rows_sha256

    if not Category.objects.exists():
        first = Taxonomy.objects.create(version=1, name="MadSafe 14", sha256=rows_sha256(SHIPPED))
        rows = [Category(taxonomy=first, position=n, **asdict(row)) for n, row in enumerate(SHIPPED, 1)]
        Category.objects.bulk_create(rows)


def _transactional(request: pytest.FixtureRequest) -> bool:
    mark = request.node.get_closest_marker("django_db")
    by_fixture = {"transactional_db", "live_server"}.intersection(request.fixturenames)
    return bool(by_fixture or (mark and mark.kwargs.get("transaction")))
