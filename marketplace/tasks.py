import random

from celery import shared_task
from django.conf import settings

from marketplace.demo_data import leads


@shared_task(name="marketplace.list_demo_leads")
def list_demo_leads() -> None:
    """Keep an old demo fresh: a few new synthetic leads."""
    if settings.DEBUG:
        leads.list_fresh(random.randint(1, 4))  # noqa: S311 - a demo
