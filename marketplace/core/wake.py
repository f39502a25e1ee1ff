"""Waking a worker after commit. It only shortens the wait: the row is there, and the beat's poll finds it anyway."""

import time

from celery import current_app
from django.db import transaction

from . import logs, outages

log = logs.get("leadfair.wake")
PAUSE = 0.5  # seconds; a worker drains until nothing is left, so one call serves all rows of a moment
_last: dict[str, float] = {}


def after_commit(task: str) -> None:
    """Ask for a run of ``task`` once the present transaction is committed, at most twice a second in this process."""
    transaction.on_commit(lambda: _wake(task), robust=True)


def _wake(task: str) -> None:
    now = time.monotonic()
    if now - _last.get(task, -PAUSE) < PAUSE:
        return
    broker = current_app.conf.broker_url
    if outages.is_away(broker):
        return
    _last[task] = now
    try:
        current_app.send_task(task)
    except Exception as error:  # noqa: BLE001 - whatever a broken broker raises, the row is safe
        outages.went_away(broker)
        log.warning("broker down", task=task, error=type(error).__name__)
