"""Fixtures and the two-database run: script/test runs everything on SQLite and on PostgreSQL + Redis side by side."""

import os
from collections.abc import Callable, Iterator

import pytest
from django.core.cache import caches
from django.test import TransactionTestCase

from tests import guards
from tests.people import make_alice, make_bob, make_charlie

ON_POSTGRESQL = os.environ.get("TESTDB") == "pg"
ONCE_ONLY = ("browser", "benchmark", "postgresql")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What runs once runs on PostgreSQL and Redis; what is about SQLite's own ways runs there only."""
    elsewhere = ("sqlite",) if ON_POSTGRESQL else ONCE_ONLY
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in elsewhere)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _teardown_with_triggers() -> None:
    """Every flush lifts the append-only triggers first."""
    flush = TransactionTestCase._fixture_teardown

    def fixture_teardown(self: TransactionTestCase) -> None:
        with guards.lifted():
            flush(self)

    TransactionTestCase._fixture_teardown = fixture_teardown  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _empty_caches(request: pytest.FixtureRequest) -> None:
    """Rate limits and kept parts of pages start anew in every test that uses the database."""
    marker = request.node.get_closest_marker("django_db")
    if marker or {"db", "transactional_db", "live_server"} & set(request.fixturenames):
        transactional = "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction"))
        request.getfixturevalue("transactional_db" if transactional else "db")
        caches["default"].clear()
        caches["fragments"].clear()


@pytest.fixture(autouse=True)
def _no_network_in_transactions(_empty_caches: None) -> Iterator[None]:
    """House rule 7, in every test."""
    with guards.no_network_in_transactions():
        yield


@pytest.fixture
def asked_for(pytestconfig) -> Callable[[str], bool]:
    """Whether the long form of tests with a marker is wanted: ``-m race`` wants it, ``-m "not race"`` does not."""
    words = pytestconfig.getoption("-m").split()
    return lambda marker: marker in words and words[words.index(marker) - 1] != "not"


@pytest.fixture
def alice(db):
    """A verified buyer with $1,000.00."""
    return make_alice(100_000)


@pytest.fixture
def bob(db):
    """Another verified buyer with $1,000.00."""
    return make_bob(100_000)


@pytest.fixture
def charlie(db):
    """Support staff."""
    return make_charlie()


@pytest.fixture
def as_alice(alice, client):
    """Alice's browser."""
    client.force_login(alice)
    return client


SHOWN = "shown"


@pytest.fixture
def show(record_property):
    """``show(text)`` prints below the results: what a test measured, even from a worker process."""
    return lambda text: record_property(SHOWN, text)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == SHOWN and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}:\n{text}")
