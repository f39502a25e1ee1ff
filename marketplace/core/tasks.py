from celery import shared_task
from django.core.cache import caches
from django.core.management import call_command


@shared_task(name="core.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have ended."""
    call_command("clearsessions")


@shared_task(name="core.clear_counters")
def clear_counters() -> None:
    """Delete what is over in the cache table; Redis does so by itself."""
    caches["database"].purge()  # type: ignore[attr-defined]
