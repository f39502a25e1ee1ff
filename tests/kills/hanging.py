"""The site's Celery application with a task that never returns, not even when it is asked to."""

import contextlib
import time

from celery.exceptions import SoftTimeLimitExceeded

from marketplace.celery import app

# As in the settings, in seconds instead of a minute.
app.conf.update(task_soft_time_limit=1, task_time_limit=3)


@app.task(name="tests.hang")
def hang() -> None:
    """Hang."""
    while True:
        with contextlib.suppress(SoftTimeLimitExceeded):
            time.sleep(60)
