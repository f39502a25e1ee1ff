"""The one clock of the site: every period, cap, window and age is measured with it, in UTC."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The present moment, timezone-aware UTC. Order is by id, never by time, so workers' clocks need not agree."""
    return timezone.now()
