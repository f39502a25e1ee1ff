"""The Celery application. Tasks are short and take ids only; the rows are the guarantee, the broker a wake-up.

Every task ends with one line in the log, and every line of it carries its id and that of the request that woke it.
"""

import os
import time
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, task_postrun, task_prerun
from kombu.transport import TRANSPORT_ALIASES
from structlog.contextvars import bind_contextvars, get_contextvars, reset_contextvars

from .core import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

# kombu's own lets a worker die of a message that is just being written
TRANSPORT_ALIASES["filesystem"] = "marketplace.core.broker:Transport"

app = Celery("leadfair")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

log = logs.get("leadfair.tasks")
CARRIED = "request_id"


@before_task_publish.connect
def pass_request_on(headers: dict[str, Any], **kwargs: object) -> None:
    """Whoever reads the log of a request finds the task it woke."""
    if CARRIED in (bound := get_contextvars()):
        headers[CARRIED] = bound[CARRIED]


@task_prerun.connect
def begin(task_id: str, task: Any, **kwargs: object) -> None:
    """What is logged from here on belongs to this task."""
    ids = {"task_id": task_id}
    if task.request.headers and CARRIED in task.request.headers:
        ids[CARRIED] = task.request.headers[CARRIED]
    task.request.bound = bind_contextvars(**ids)
    task.request.begun_at = time.perf_counter()


@task_postrun.connect
def end(task: Any, state: str | None, **kwargs: object) -> None:
    """One line a task: name, milliseconds, how it ended. Neither arguments nor result."""
    ms = round((time.perf_counter() - task.request.begun_at) * 1000, 1)
    log.info("task", task=task.name, state=state, ms=ms)
    reset_contextvars(**task.request.bound)
