"""Whether the parts the site stands on answer."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q

from . import clock
from .models import Heartbeat

SECOND = timedelta(seconds=1)


def beat() -> None:
    """Write the heartbeat row, at most once a second whoever asks how often.

    Raises:
        DatabaseError: the database takes no write.
    """
    now = clock.now()
    fresh = Q(at__gt=now - SECOND, at__lt=now + SECOND)
    if Heartbeat.objects.filter(fresh, id=1).exists():
        return
    # Of several probes at the same moment one finds the row still old; the others change nothing.
    if not Heartbeat.objects.filter(~fresh, id=1).update(at=now):
        Heartbeat.objects.bulk_create([Heartbeat(id=1, at=now)], ignore_conflicts=True)


def migrations_applied() -> bool:
    """Whether the database has every migration of this code. Once true it stays true for this process."""
    if not _all_applied():
        _all_applied.cache_clear()
        return False
    return True


@cache
def _all_applied() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def redis_answers() -> bool:
    """Whether Redis answers, or none is configured."""
    return not settings.REDIS_URL or _answers(settings.REDIS_URL, _ping)


def _ping() -> bool:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as client:
        return bool(client.ping())


def listens(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    return _answers(f"{host}:{port}", partial(_connect, host, port))


def _connect(host: str, port: int) -> bool:
    with socket.create_connection((host, port), timeout=PATIENCE):
        return True


PATIENCE = 1.0  # seconds for one answer; looking up a name knows no time limit, hence the thread
RECENT = 5.0  # seconds for which an answer is good
_answered: dict[str, float] = {}


def _answers(server: str, ask: Callable[[], bool]) -> bool:
    """Whether ``server`` answered within the last 5 seconds, or does within one; whatever it answered instead, it did
    not."""
    if time.monotonic() - _answered.get(server, -RECENT) < RECENT:
        return True

    def note() -> None:
        with suppress(OSError, redis.RedisError):
            if ask():
                _answered[server] = time.monotonic()

    asked_at = time.monotonic()
    thread = threading.Thread(target=note, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return _answered.get(server, -RECENT) >= asked_at
