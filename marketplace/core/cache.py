"""The shared cache: rate limits, nothing personal. Its keys are keyed digests, its values JSON, and it survives a Redis
that is down."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends import db
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from redis.exceptions import RedisError

from . import clock, outages


def digest_key(key: str, prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION: the cache never sees an address or email that someone put into a key (DX-14)."""
    text = f"{prefix}:{version}:{key}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()


class Json:
    """How values are written: never pickled, because unpickling runs what somebody planted. A number is its digits, so
    that the stores can add to it."""

    def dumps(self, value: Any) -> str:
        return json.dumps(value)

    def loads(self, text: str | bytes) -> Any:
        return json.loads(text)


_json = Json()
FOR_EVER = datetime.max.replace(tzinfo=UTC)


class DatabaseCache(db.DatabaseCache):
    """Django's cache table with one statement a verb. Django's own counts by reading and writing, so that two at once
    count one, starts a counter's time anew at each step, and throws out counters that still run once 300 are there.
    Here nothing leaves before its time; ``purge`` takes what is over."""

    _table: str

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        names = {self.make_and_validate_key(key, version=version): key for key in keys}
        if not names:
            return {}
        marks = ", ".join(["%s"] * len(names))
        query = f"SELECT cache_key, value FROM {self._table} WHERE cache_key IN ({marks}) AND expires > %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(query, [*names, _moment(clock.now())])
            return {names[name]: _json.loads(value) for name, value in cursor.fetchall()}

    def has_key(self, key: str, version: int | None = None) -> bool:
        return bool(self.get_many([key], version))

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._put(self.make_and_validate_key(key, version=version), value, timeout, replaced="TRUE")

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name = self.make_and_validate_key(key, version=version)
        return self._put(name, value, timeout, f"{self._table}.expires <= %s", _moment(clock.now()))

    def _put(self, name: str, value: Any, timeout: Any, replaced: str, *values: Any) -> bool:
        """Write the entry, over an old one if that is to be ``replaced``; whether it was written."""
        statement = f"""
            INSERT INTO {self._table} (cache_key, value, expires) VALUES (%s, %s, %s)
            ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires = excluded.expires
            WHERE {replaced}"""  # noqa: S608 - fixed parts
        return bool(_change(statement, [name, _json.dumps(value), self._end(timeout), *values]))

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name = self.make_and_validate_key(key, version=version)
        statement = f"UPDATE {self._table} SET expires = %s WHERE cache_key = %s AND expires > %s"  # noqa: S608
        return bool(_change(statement, [self._end(timeout), name, _moment(clock.now())]))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a number without touching its end.

        Raises:
            ValueError: there is none.
        """
        name = self.make_and_validate_key(key, version=version)
        statement = f"""
            UPDATE {self._table} SET value = CAST(CAST(value AS bigint) + %s AS text)
            WHERE cache_key = %s AND expires > %s RETURNING value"""  # noqa: S608 - fixed parts
        with connection.cursor() as cursor:
            cursor.execute(statement, [delta, name, _moment(clock.now())])
            row = cursor.fetchone()
        if row is None:
            raise ValueError(f"Key {key!r} not found")
        return int(row[0])

    def purge(self) -> int:
        """Delete what is over; returns how many entries that were."""
        return _change(f"DELETE FROM {self._table} WHERE expires <= %s", [_moment(clock.now())])  # noqa: S608

    def _end(self, timeout: Any) -> Any:
        end = self.get_backend_timeout(timeout)
        return _moment(FOR_EVER if end is None else datetime.fromtimestamp(end, UTC))


def _change(statement: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def _moment(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


class RedisThenDatabase(RedisCache):
    """Redis, and the cache table while Redis does not answer: signing in must work and its limits must hold. After a
    failure Redis is left alone for some seconds, so that a call costs no waiting."""

    _servers: list[str]

    def _either(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        server = self._servers[0]
        if not outages.is_away(server):
            try:
                return getattr(super(), verb)(*args, **kwargs)
            except RedisError:
                outages.went_away(server)
        return getattr(caches["database"], verb)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("delete", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("incr", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("has_key", *args, **kwargs)
