"""What Prometheus is told: counts, ages and cents of the whole site; never a person, never an id."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from django.db.models import Count, Model, QuerySet, Sum
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from marketplace.core import clock
from marketplace.ledger.models import Account, Transfer
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Deposit, Dispute

from .models import CheckRun
from .queues import failed_tasks, given_up, queues

DAY = timedelta(days=1)
Gauge: TypeAlias = GaugeMetricFamily
M = TypeVar("M", bound=Model)


class Site(Collector):
    """Asks the database anew at every scrape, so that all processes of a site tell the same."""

    def describe(self) -> list[Gauge]:
        return []  # else it would be asked once before anybody wants to know

    def collect(self) -> Iterator[Gauge]:
        yield from _queues()
        yield from _money()
        yield from _checks()


def registry() -> CollectorRegistry:
    """The site's gauges and nothing of the process."""
    made = CollectorRegistry()
    made.register(Site())
    return made


def _gauge(name: str, said: str, value: float) -> Gauge:
    return Gauge(f"leadfair_{name}", said, value=value)


def _by(label: str, name: str, said: str, values: dict[str, float]) -> Gauge:
    gauge = Gauge(f"leadfair_{name}", said, labels=[label])
    for of, value in values.items():
        gauge.add_metric([of], value)
    return gauge


def _queues() -> Iterator[Gauge]:
    found = queues()
    ages = {queue.name: queue.oldest.total_seconds() for queue in found}
    yield _by("queue", "queue_oldest_seconds", "For how long the oldest that is due waits.", ages)
    waiting = {queue.name: float(queue.waiting) for queue in found}
    yield _by("queue", "queue_waiting", "How many are due and wait.", waiting)
    dead = {kind: float(number) for kind, number in given_up().items()}
    failed = {task: float(number) for task, number in failed_tasks().items()}
    yield _by("task", "tasks_failed_last_day", "How often a task ended with an error within a day.", failed)
    yield _by("kind", "given_up", "How many nobody tries again by itself.", dead)


def _money() -> Iterator[Gauge]:
    since = clock.now() - DAY
    found = dict(_made_since(since, Deposit.objects.all()).values_list("state").annotate(number=Count("pk")))
    states = {str(state): float(found.get(state, 0)) for state in Deposit.State.values}
    yield _by("state", "deposits_last_day", "Deposits begun within a day, by their state now.", states)
    paid = Deposit.objects.paid().filter(paid_at__gte=since).aggregate(cents=Sum("received_cents"))["cents"]
    yield _gauge("deposited_cents_last_day", "Cents that arrived within a day.", paid or 0)
    bought = _made_since(since, Purchase.objects.all()).count()
    yield _gauge("purchases_last_day", "Leads bought within a day.", bought)
    yield _gauge(
        "open_disputes", "Payments that their banks dispute now.", Dispute.objects.filter(is_open=True).count()
    )
    yield _gauge("suspense_cents", "Cents that arrived and belong to nobody yet.", _in_suspense())


def _made_since(moment: datetime, rows: QuerySet[M]) -> QuerySet[M]:
    """Those of ``rows`` that are younger, without a look at all the others: ids rise, and go back to the first of the
    day only."""
    before = rows.filter(created_at__lt=moment).order_by("-pk").values_list("pk", flat=True).first()
    return rows.filter(pk__gt=before or 0)


def _in_suspense() -> int:
    """The balance of the house account; those keep no total."""
    account = Account.objects.get(kind=Account.Kind.SUSPENSE, owner=None)
    return _sum(Transfer.objects.filter(credit=account)) - _sum(Transfer.objects.filter(debit=account))


def _sum(transfers: QuerySet[Transfer]) -> int:
    return transfers.aggregate(cents=Sum("amount"))["cents"] or 0


def _checks() -> Iterator[Gauge]:
    now = clock.now()
    for what in CheckRun.What.values:
        last = CheckRun.objects.of(what).newest()
        if last:
            yield _gauge(f"{what}_check_findings", "What the last check found.", last.findings_count)
            age = (now - last.ended_at).total_seconds()
            yield _gauge(f"{what}_check_age_seconds", "How long ago the last check ended.", age)
