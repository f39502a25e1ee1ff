"""How long the work waits that a page left to the workers, what of it failed and what was given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, QuerySet

from marketplace.core import clock
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Export
from marketplace.supply.models import Upload
from marketplace.wallet.models import StripeEvent

from .models import TaskFailure


@dataclass(frozen=True)
class Queue:
    """What is due and not taken up: how many, and for how long the oldest of them."""

    name: str
    waiting: int
    oldest: timedelta


def queues() -> list[Queue]:
    """Every queue. What waits for a moment to come, such as another try, is not late."""
    now = clock.now()
    return [
        _queue("mail", OutgoingEmail.objects.filter(state=OutgoingEmail.State.QUEUED), now),
        _queue("events", StripeEvent.objects.filter(state=StripeEvent.State.NEW), now),
        _queue("exports", Export.objects.filter(state=Export.State.WAITING), now),
        _queue("uploads", Upload.objects.filter(state=Upload.State.WAITING), now),
    ]


def _queue(name: str, rows: QuerySet[Any], now: datetime) -> Queue:
    found = rows.filter(available_at__lte=now).aggregate(waiting=Count("pk"), since=Min("available_at"))
    return Queue(name, found["waiting"], now - (found["since"] or now))


def failed_tasks() -> dict[str, int]:
    """How often each task ended with an error within a day; most never."""
    found = TaskFailure.objects.filter(failed_at__gte=clock.now() - timedelta(days=1)).values_list("task")
    scheduled = {entry["task"]: 0 for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    return scheduled | dict(found.annotate(number=Count("pk")))


def given_up() -> dict[str, int]:
    """What nobody will try again by itself, by kind."""
    return {
        "mail": OutgoingEmail.objects.given_up().count(),
        "events": StripeEvent.objects.filter(state=StripeEvent.State.DEAD).count(),
        "exports": Export.objects.filter(state=Export.State.FAILED).count(),
    }
