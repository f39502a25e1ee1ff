"""Whether the parts the site stands on answer."""

from datetime import timedelta
from functools import cache

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
    if not settings.REDIS_URL:
        return True
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
