"""While a transaction is open, nobody asks another machine: every test runs under this guard."""

import contextlib
import socket

import pytest
from django.core.cache import cache
from django.db import transaction

from tests.guards import no_network_in_transactions

# With the transaction around the test that most have, and without.
EITHER = pytest.mark.parametrize(
    "kind",
    [
        pytest.param("wrapped", marks=pytest.mark.django_db),
        pytest.param("bare", marks=pytest.mark.django_db(transaction=True)),
    ],
)


@pytest.fixture
def server():
    """Somebody who can be asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()


@EITHER
def test_outside_of_a_transaction_it_is_allowed(server, kind):
    with no_network_in_transactions():
        socket.create_connection(server).close()


@EITHER
def test_the_cache_may_be_asked(kind):
    with no_network_in_transactions(), transaction.atomic():
        cache.set("key", "value")
        assert cache.get("key") == "value"


@EITHER
def test_inside_of_one_it_fails_even_if_the_error_is_caught(server, kind):
    guard = no_network_in_transactions()
    guard.__enter__()
    with transaction.atomic(), contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(server).close()
    with pytest.raises(AssertionError, match="asked inside"):
        guard.__exit__(None, None, None)
