"""The cache knows digests only, and signing in survives a Redis that is down."""

import pytest
from django.core.cache import caches
from django.db import connection

from marketplace.core.cache import RedisThenDatabase, digest_key
from marketplace.core.refusals import TooMany
from marketplace.core.throttle import throttle

pytestmark = pytest.mark.django_db


def test_keys_are_digests():
    key = digest_key("rate:alice@example.com:203.0.113.7", "", 1)
    assert len(key) == 64
    assert "alice" not in key
    assert key != digest_key("rate:alice@example.com:203.0.113.7", "", 2)


def test_the_table_holds_no_key_in_clear():
    caches["database"].set("alice@example.com", 5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM core_cache")
        assert not any("alice" in str(row) for row in cursor.fetchall())
    assert caches["database"].get("alice@example.com") == 5


def test_without_redis_the_table_takes_over():
    options = {"KEY_FUNCTION": digest_key, "OPTIONS": {"socket_connect_timeout": 0.2}}
    cache = RedisThenDatabase("redis://127.0.0.1:1/0", options)
    assert cache.add("limit", 1, timeout=60)
    assert not cache.add("limit", 1, timeout=60)
    assert cache.incr("limit") == 2
    assert cache.get("limit") == 2
    assert cache.has_key("limit")
    assert cache.delete("limit")
    assert cache.get("limit") is None


def test_the_throttle_lets_so_many_through_and_says_how_long_to_wait():
    for _ in range(3):
        throttle("test", "alice", limit=3, seconds=60)
    throttle("test", "bob", limit=3, seconds=60)
    with pytest.raises(TooMany) as caught:
        throttle("test", "alice", limit=3, seconds=60)
    assert 0 < caught.value.retry_after <= 60
    assert caught.value.status == 429
