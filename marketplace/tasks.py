import random
from typing import Any

from celery import shared_task
from celery.signals import task_failure
from django.conf import settings
from django.db import DatabaseError

from marketplace.core import clock, logs
from marketplace.demo_data import leads

from . import checks
from . import watch as watching
from .models import TaskFailure

log = logs.get("leadfair.tasks")


@task_failure.connect
def keep_failure(sender: Any, exception: BaseException, **kwargs: object) -> None:
    """For the metrics, the owners' mail and the first page of the admin; a database that is away is in the log."""
    try:
        TaskFailure.objects.create(task=sender.name, error=type(exception).__name__, failed_at=clock.now())
    except DatabaseError as error:
        log.error("failure not kept", task=sender.name, error=type(error).__name__)


@shared_task(name="marketplace.list_demo_leads")
def list_demo_leads() -> None:
    """Keep an old demo fresh: a few new synthetic leads."""
    if settings.DEBUG:
        leads.list_fresh(random.randint(1, 4))  # noqa: S311 - a demo


# Under the 15 minutes after which the queue gives a job to another worker: the question about all books takes its time.
@shared_task(name="marketplace.check_books", soft_time_limit=860, time_limit=890)
def check_books() -> None:
    """Look for what does not add up."""
    checks.check_books()


@shared_task(name="marketplace.watch")
def watch() -> None:
    """Look for what the owners should look at."""
    watching.watch()
