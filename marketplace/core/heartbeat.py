"""Whether the parts the site stands on answer."""

from datetime import timedelta
from functools import cache

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from . import clock
from .models import Heartbeat

SECOND = timedelta(seconds=1)


def beat() -> None:
    """Write the heartbeat row, at most once a second whoever asks how often.

    Raises:
        DatabaseError: the database takes no write.
    """
    now = clock.now()
    if Heartbeat.objects.filter(id=1, at__gt=now - SECOND).exists():
        return
    Heartbeat.objects.update_or_create(id=1, defaults={"at": now})


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
    if not settings.REDIS_URL:
        return True
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
