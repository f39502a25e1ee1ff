"""The cache knows digests only, its counters hold, and signing in survives a Redis that is down."""

import threading
import time
from itertools import count
from types import SimpleNamespace

import pytest
import time_machine
from allauth.core.internal import ratelimit
from django.core.cache import caches
from django.core.cache.backends import db
from django.core.cache.backends.base import BaseCache
from django.db import connection

from marketplace.core import outages
from marketplace.core.cache import DatabaseCache, RedisThenDatabase, digest_key
from marketplace.core.refusals import TooMany
from marketplace.core.tasks import clear_counters
from marketplace.core.throttle import throttle
from tests.races.rig import race, tally

pytestmark = pytest.mark.django_db
STARTED = "2026-11-23T10:00:00Z"
PARAMS = {"KEY_FUNCTION": digest_key}


@pytest.fixture
def table():
    """The cache table, empty."""
    caches["database"].clear()
    return caches["database"]


@pytest.fixture
def clock():
    with time_machine.travel(STARTED, tick=False) as travelling:
        yield travelling


def entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM core_cache")
        return cursor.fetchone()[0]


def test_it_works(table):
    assert table.add("limit", 1, timeout=60)
    assert not table.add("limit", 5, timeout=60)
    assert table.incr("limit") == 2
    assert table.incr("limit", 40) == 42
    table.set("history", [1763892000.123456, 2.5])
    assert table.get_many([]) == {}
    assert table.get_many(["limit", "history", "missing"]) == {"limit": 42, "history": [1763892000.123456, 2.5]}
    assert table.has_key("history")
    assert table.delete("history")
    assert (table.get("history"), table.get("history", "none"), table.has_key("history")) == (None, "none", False)
    with pytest.raises(ValueError, match="not found"):
        table.incr("missing")


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_keys_are_digests():
    key = digest_key("rate:alice@example.com:203.0.113.7", "", 1)
    assert len(key) == 64
    assert "alice" not in key
    assert key != digest_key("rate:alice@example.com:203.0.113.7", "", 2)


def test_the_table_holds_no_key_in_clear(table):
    table.set("alice@example.com", 5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM core_cache")
        assert not any("alice" in str(row) for row in cursor.fetchall())
    assert table.get("alice@example.com") == 5


@pytest.mark.parametrize("name", ["default", "database"])
def test_nothing_is_pickled(name):
    """Who can write to the store must not be able to run code here."""
    cache = caches[name]
    with pytest.raises(TypeError):
        cache.set("object", object())
    cache.set("number", 7)
    cache.set("list", [1.5, True, None, "x"])
    assert (cache.incr("number"), cache.get("list")) == (8, [1.5, True, None, "x"])


# --- a counter runs as long as it was told ----------------------------------------------------------------------------


def counts_for_an_hour(cache, clock) -> bool:
    cache.add("hour", 0, timeout=3600)
    for _ in range(5):
        cache.incr("hour")
        clock.shift(700)
    if cache.get("hour") != 5:
        return False
    clock.shift(101)
    return cache.get("hour") is None


def test_counting_leaves_the_end_where_it_is(table, clock):
    assert counts_for_an_hour(table, clock)


def test_the_same_shows_that_the_one_of_django_does_not(table, clock):
    """The control."""
    with pytest.raises(ValueError, match="not found"):
        counts_for_an_hour(db.DatabaseCache("core_cache", PARAMS), clock)


def test_a_limit_of_an_hour_holds_for_an_hour(clock):
    throttle("deposit", "alice", limit=2, seconds=3600)
    clock.shift(10 * 60)
    throttle("deposit", "alice", limit=2, seconds=3600)
    clock.shift(40 * 60)
    with pytest.raises(TooMany) as refusal:
        throttle("deposit", "alice", limit=2, seconds=3600)
    assert refusal.value.retry_after == 10 * 60
    clock.shift(10 * 60)
    throttle("deposit", "alice", limit=2, seconds=3600)


def test_what_is_over_is_not_there(table, clock):
    table.add("minute", 5, timeout=60)
    assert table.touch("minute", 120)
    clock.shift(120)
    assert not table.touch("minute", 60)
    assert table.get("minute") is None
    assert table.add("minute", 0, timeout=60)
    assert table.get("minute") == 0


def test_without_a_timeout_it_stays(table, clock):
    table.set("always", 1, timeout=None)
    clock.shift(10 * 365 * 24 * 3600)
    assert table.get("always") == 1


# --- however many there are -------------------------------------------------------------------------------------------


def keeps_a_thousand(cache) -> bool:
    for number in range(1000):
        cache.add(f"counter {number}", 1, timeout=3600)
    return all(cache.get(f"counter {number}") == 1 for number in range(1000))


def test_a_thousand_counters_run_side_by_side(table):
    assert keeps_a_thousand(table)


def test_the_same_shows_that_the_ones_of_django_do_not(table):
    """The control."""
    assert not keeps_a_thousand(db.DatabaseCache("core_cache", PARAMS))


def test_what_is_over_is_cleared_away(table, clock):
    for number in range(20):
        table.set(f"short {number}", 1, timeout=60)
    table.set("long", 1, timeout=3600)
    clock.shift(61)
    assert entries() == 21
    clear_counters()
    assert entries() == 1
    assert table.get("long") == 1


# --- at the same moment -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["default", "database"])
def test_no_step_is_lost(name):
    caches[name].clear()
    caches[name].add("racers", 0, timeout=60)
    results = race([lambda: caches[name].incr("racers")] * 40)
    assert tally(results) == {"ok": 40}
    assert sorted(result.value for result in results) == list(range(1, 41))


class ReadsThenWrites(DatabaseCache):
    """Django's own way to count, with both at the same point at once."""

    both_have_read = threading.Barrier(2)
    incr = BaseCache.incr

    def get(self, *args, **kwargs):
        found = super().get(*args, **kwargs)
        self.both_have_read.wait(10)
        return found


@pytest.mark.django_db(transaction=True)
def test_without_the_one_statement_a_step_is_lost():
    """The control."""
    caches["database"].clear()
    caches["database"].add("racers", 0, timeout=60)
    results = race([lambda: ReadsThenWrites("core_cache", PARAMS).incr("racers")] * 2)
    assert [result.value for result in results] == [1, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("was_there", [False, True])
def test_one_of_many_gets_a_lock(was_there):
    """Signing in takes a lock in the cache to count; one left by a killed process is free again when it is over."""
    caches["database"].clear()
    if was_there:
        caches["database"].add("lock", True, timeout=-1)
    results = race([lambda: caches["database"].add("lock", True, timeout=60)] * 20)
    assert tally(results) == {"ok": 20}
    assert [result.value for result in results].count(True) == 1


RATES = {"sign in": "5/h/key"}


@pytest.mark.django_db(transaction=True)
def test_the_limits_of_signing_in_hold(table, rf, monkeypatch, clock):
    """allauth keeps a list of moments and a lock beside it; those who wait for it too long are refused."""
    monkeypatch.setattr(ratelimit, "cache", table)

    def attempt():
        return ratelimit.consume(rf.post("/"), app="tests", action="sign in", config=RATES, key="alice") is not None

    at_once = [result.value for result in race([attempt] * 12)]
    assert sum([*at_once, *(attempt() for _ in range(5))]) == 5
    clock.shift(3500)
    assert not attempt()
    clock.shift(101)
    assert attempt()


# --- Redis down -------------------------------------------------------------------------------------------------------


@pytest.fixture
def port(monkeypatch):
    """A port of this machine on which nothing listens, not yet known to be dead."""
    monkeypatch.setattr(outages, "_away_until", {})
    return 1


def test_without_redis_the_table_takes_over(port, table):
    cache = RedisThenDatabase(f"redis://127.0.0.1:{port}/0", PARAMS)
    assert cache.add("limit", 1, timeout=60)
    assert not cache.add("limit", 1, timeout=60)
    assert cache.incr("limit") == 2
    assert cache.get("limit") == 2
    assert cache.has_key("limit")
    assert cache.touch("limit", 120)
    cache.set("limit", 7)
    assert table.get("limit") == 7
    assert cache.delete("limit")
    assert cache.get("limit") is None


def test_a_redis_that_is_down_is_asked_once_in_ten_seconds(port, table, monkeypatch):
    asked = count()
    cache = RedisThenDatabase(f"redis://127.0.0.1:{port}/0", PARAMS)
    connect = cache._cache.get_client

    def get_client(*args, **kwargs):
        next(asked)
        return connect(*args, **kwargs)

    monkeypatch.setattr(cache._cache, "get_client", get_client)
    started = time.monotonic()
    for _ in range(5):
        cache.add("limit", 1, timeout=60)
    assert next(asked) == 1
    monkeypatch.setattr(outages, "time", SimpleNamespace(monotonic=lambda: started + 2 * outages.PAUSE))
    cache.get("limit")
    assert next(asked) == 3, "and again later"
