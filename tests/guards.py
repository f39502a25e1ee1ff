"""Guards that tests lift, take out or put up.

The append-only triggers are lifted for teardown and for controls only: a flush after a TransactionTestCase deletes
rows, which the triggers refuse; left to itself it would fail, leak rows into the next test, and leave the books without
guards.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection


@contextmanager
def lifted() -> Iterator[None]:
    """No trigger fires inside; on leaving they are all back as they were."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET session_replication_role = DEFAULT")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for name, sql in triggers:
                cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"')
                cursor.execute(sql)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """The named triggers are off inside, on whichever database has them (a control: the guard off, the test red)."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # ALTER TABLE waits for no pending check
            cursor.execute(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgname = ANY(%s)", [list(names)]
            )
            found = cursor.fetchall()
            for name, table in found:
                cursor.execute(f'ALTER TABLE {table} DISABLE TRIGGER "{name}"')
        else:
            marks = ", ".join(["%s"] * len(names))
            cursor.execute(f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})", names)
            found = cursor.fetchall()
            for name, _ in found:
                cursor.execute(f'DROP TRIGGER "{name}"')
    assert found, f"none of {names} exists here"
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for name, other in found:
                if connection.vendor == "postgresql":
                    cursor.execute(f'ALTER TABLE {other} ENABLE TRIGGER "{name}"')
                else:
                    cursor.execute(other)


def unguarded(statement: str, *conditions: str) -> str:
    """The SQL ``statement`` with these conditions always true; the rest of it stays as it is."""
    for condition in conditions:
        assert condition in statement, f"{condition!r} is no part of it"
        statement = statement.replace(condition, "%s > 0" if "%s" in condition else "1 = 1")
    return statement


def stripped(statement: str, part: str) -> str:
    """The SQL ``statement`` without this part of it."""
    assert part in statement, f"{part!r} is no part of it"
    return statement.replace(part, "")


@contextmanager
def no_network_in_transactions() -> Iterator[None]:
    """Nothing is asked of another machine while a transaction is open, but for the database and the cache. Transactions
    that are open already, as around most tests, do not count."""
    ours = {(url.hostname, url.port) for url in map(urlsplit, (settings.DATABASE_URL, settings.REDIS_URL))}
    connect, around = socket.socket.connect, len(connection.atomic_blocks)
    asked: list[Any] = []

    def guarded(self: socket.socket, address: Any) -> None:
        if len(connection.atomic_blocks) > around and isinstance(address, tuple) and address[:2] not in ours:
            asked.append(address)
            raise ConnectionRefusedError(f"{address} was asked inside a transaction")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
    assert asked == [], "asked inside a transaction"  # whoever asked may have taken it for an outage
