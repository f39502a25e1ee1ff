"""The turnstile before SQLite's single writer."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.db.models import CheckConstraint, Q

from marketplace.core import transactions, triggers
from marketplace.core.models import Heartbeat
from marketplace.core.refusals import Busy
from marketplace.core.sqlite import base
from marketplace.core.transactions import in_transaction
from marketplace.ledger import checks
from marketplace.ledger.models import Account, Transfer
from tests.races.rig import race, tally

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_it_works():
    with transaction.atomic():
        assert connection._inside
    assert not connection._inside


def test_the_lock_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        1 / 0  # noqa: B018
    assert not connection._inside
    with pytest.raises(IntegrityError), transaction.atomic():
        Heartbeat.objects.create(id=2, at="2026-01-01T00:00Z")
    assert not connection._inside


def test_savepoints_do_not_give_it_back():
    with transaction.atomic():
        with transaction.atomic():
            pass
        assert connection._inside


def test_a_second_writer_waits_for_the_first():
    entered, go_on = threading.Event(), threading.Event()
    order = []

    def first():
        with transaction.atomic():
            entered.set()
            go_on.wait(5)
            order.append("first")

    def second():
        entered.wait(5)
        threading.Timer(0.2, go_on.set).start()
        with transaction.atomic():
            order.append("second")

    assert tally(race([first, second])) == {"ok": 2}
    assert order == ["first", "second"]


def turnstile() -> str:
    return f"{connection.settings_dict['NAME']}.turnstile"


def test_a_killed_writer_gives_it_back():
    """The kernel drops the lock with the process; nobody has to clean up."""
    code = (
        "import fcntl, os, sys, signal\n"
        f"file = os.open({turnstile()!r}, os.O_RDWR)\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "locked"
    threading.Timer(0.2, holder.kill).start()
    with transaction.atomic():
        assert holder.wait(5) != 0
    holder.stdin.close()
    holder.stdout.close()


# --- a single statement outside a transaction -------------------------------------------------------------------------

MOMENT = "2026-01-01T00:00Z"


def single_statements() -> list[str]:
    """Write without a transaction in every way we know; returns the statements the database ran out of turn."""
    out_of_turn: list[str] = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(
        lambda statement: None if connection._inside else out_of_turn.append(statement.split()[0])
    )
    try:
        Heartbeat.objects.create(at=MOMENT)
        beat = Heartbeat.objects.get()
        beat.save()
        Heartbeat.objects.update(at=MOMENT)
        with connection.cursor() as cursor:
            cursor.execute("  update core_heartbeat set at = at")
            cursor.executemany("UPDATE core_heartbeat SET at = %s", [[MOMENT], [MOMENT]])
        Heartbeat.objects.filter(pk=1).delete()
    finally:
        connection.connection.set_trace_callback(None)
    assert not connection._inside
    return out_of_turn


def test_a_single_statement_that_writes_waits_for_its_turn_too():
    assert set(single_statements()) == {"SELECT"}


def test_control_with_the_cursor_of_django_it_does_not(monkeypatch):
    monkeypatch.setattr(base.DatabaseWrapper, "create_cursor", base.base.DatabaseWrapper.create_cursor)
    assert {"INSERT", "UPDATE"} <= set(single_statements())


def test_looking_waits_for_nobody():
    with held(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert list(Heartbeat.objects.all()) == []


# --- a turn that does not come ----------------------------------------------------------------------------------------


@contextmanager
def held() -> Iterator[None]:
    """Somebody else has the turnstile."""
    file = os.open(turnstile(), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@pytest.fixture
def impatient(monkeypatch):
    """A connection that waits for a moment only."""
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)


def test_waiting_ends(impatient):
    for write in (lambda: Heartbeat.objects.update(at=MOMENT), lambda: transaction.atomic().__enter__()):
        with held(), pytest.raises(OperationalError, match="database is locked"):
            write()
        assert not connection._inside
    time.sleep(0.1)
    with transaction.atomic():
        assert connection._inside
        assert not free(), "it is our lock, though the two waits that were given up got theirs in the meantime"
    assert free()


def free() -> bool:
    file = os.open(turnstile(), os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def test_who_waited_in_vain_is_told_that_the_site_is_busy(impatient, monkeypatch):
    monkeypatch.setattr(transactions, "PATIENCE", 0.1)
    with held(), pytest.raises(Busy):
        in_transaction(lambda: None)()


def test_a_wait_that_is_broken_off_leaves_no_lock(monkeypatch):
    """A task's time limit raises in the middle of anything."""

    def broken_off(*args):
        raise KeyboardInterrupt

    connection.ensure_connection()
    with held(), monkeypatch.context() as patch:
        patch.setattr(base.threading.Thread, "join", broken_off)
        with pytest.raises(KeyboardInterrupt):
            Heartbeat.objects.update(at=MOMENT)
    time.sleep(0.1)
    assert free()


def test_a_network_file_system_is_refused(monkeypatch):
    monkeypatch.setattr(base, "file_system_of", lambda path: "nfs4")
    fresh = connections.create_connection("default")
    with pytest.raises(ImproperlyConfigured, match="network"):
        fresh.ensure_connection()


def test_writes_are_durable_and_foreign_keys_and_triggers_hold():
    with connection.cursor() as cursor:
        values = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}


@pytest.mark.parametrize("key", ["id", "id + 1000"], ids=["same-id", "same-row"])
@pytest.mark.parametrize("table", ["policy_policyversion", "policy_acceptance"])
def test_what_only_grows_is_not_replaced_either(alice, table, key):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        before = cursor.fetchall()
        columns = ", ".join(column[0] for column in cursor.description)
        replaced = columns.replace("id", key, 1)
        with pytest.raises(IntegrityError, match="append-only"):
            cursor.execute(f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {replaced} FROM {table}")
        cursor.execute(f"SELECT * FROM {table}")
        assert cursor.fetchall() == before != []


# --- tables made anew -------------------------------------------------------------------------------------------------

CONSTRAINT = CheckConstraint(condition=~Q(kind="of tests"), name="of_tests")


@pytest.mark.parametrize("model", [Account, Transfer])
def test_a_table_can_be_altered_and_keeps_its_guards(alice, model):
    before = triggers.names()
    with connection.schema_editor() as editor:
        editor.add_constraint(model, CONSTRAINT)
    try:
        assert triggers.names() == before
        for guarded in ("DELETE FROM ledger_transfer", "UPDATE ledger_account SET credits = credits + 1"):
            with pytest.raises(IntegrityError, match=r"append-only|only by transfer"), connection.cursor() as cursor:
                cursor.execute(guarded)
        assert list(checks.findings()) == []
    finally:
        with connection.schema_editor() as editor:
            editor.remove_constraint(model, CONSTRAINT)


def test_control_with_the_editor_of_django_it_cannot(alice, monkeypatch):
    monkeypatch.setattr(base.DatabaseWrapper, "SchemaEditorClass", base.base.DatabaseWrapper.SchemaEditorClass)
    other = connections.create_connection("default")
    with pytest.raises(DatabaseError), other.schema_editor() as editor:
        editor.add_constraint(Account, CONSTRAINT)
    other.close()
    assert list(checks.findings()) == []
