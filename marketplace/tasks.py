import random

from celery import shared_task
from django.conf import settings

from marketplace.demo_data import leads

from . import checks
from . import watch as watching


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
