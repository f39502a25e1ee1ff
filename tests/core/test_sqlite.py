"""The turnstile before SQLite's single writer."""

import subprocess
import sys
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, connections, transaction

from marketplace.core.models import Heartbeat
from marketplace.core.sqlite import base
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


def test_a_killed_writer_gives_it_back():
    """The kernel drops the lock with the process; nobody has to clean up."""
    path = connection.settings_dict["NAME"]
    code = (
        "import fcntl, os, sys, signal\n"
        f"file = os.open({str(path) + '.turnstile'!r}, os.O_RDWR)\n"
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


def test_a_network_file_system_is_refused(monkeypatch):
    monkeypatch.setattr(base, "file_system_of", lambda path: "nfs4")
    fresh = connections.create_connection("default")
    with pytest.raises(ImproperlyConfigured, match="network"):
        fresh.ensure_connection()


def test_writes_are_durable_and_foreign_keys_hold():
    with connection.cursor() as cursor:
        values = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
