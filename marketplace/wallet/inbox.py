"""The inbox: what the processor told us, worked off one event at a time by looking at the object's present state."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F

from marketplace.core import clock, logs, wake

from . import deposits, disputes, emails, gateway, refunds
from .models import Deposit, EventCursor, StripeEvent

log = logs.get("leadfair.wallet")
State = StripeEvent.State
MAX_ATTEMPTS = 12
RUN_SECONDS = 10  # a task is stopped after 45 seconds, and an event that begins late may wait for the processor for 30
LEASE = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
OVERLAP = timedelta(hours=1)  # the sweep reads this much again: clocks differ, and events appear late
SLICE = timedelta(hours=6)
POLL_AFTER = timedelta(minutes=45)
POLLED_AT_ONCE = 100
Fact = TypeVar("Fact", gateway.RefundFact, gateway.DisputeFact)


def receive(*events: gateway.Event) -> None:
    """Store each event once and wake a worker."""
    now = clock.now()
    rows = [
        StripeEvent(
            event_id=event.id,
            type=event.type,
            object_id=event.object_id,
            happened_at=event.created,
            received_at=now,
            available_at=now,
        )
        for event in events
    ]
    StripeEvent.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    wake.after_commit("wallet.process_events")


def process_events(limit: int = 200) -> int:
    """Work off the events that wait, for 10 seconds at most; returns how many were done. Any number of workers may run.
    While the processor does not answer, the others wait as well."""
    done = 0
    started = time.monotonic()
    for _ in range(limit):
        event = _claim() if time.monotonic() - started < RUN_SECONDS else None
        if event is None:
            break
        problem = _process(event)
        if problem is None:
            done += 1
        elif _is_outage(problem):
            break
    return done


def _claim() -> StripeEvent | None:
    now = clock.now()
    for event in StripeEvent.objects.filter(state=State.NEW, available_at__lte=now).order_by("available_at", "id")[:20]:
        won = StripeEvent.objects.filter(pk=event.pk, state=State.NEW, available_at=event.available_at).update(
            available_at=now + LEASE, attempts=F("attempts") + 1
        )
        if won:
            event.attempts += 1
            return event
    return None


def _process(event: StripeEvent) -> Exception | None:
    try:
        state = State.DONE if apply(event.type, event.object_id) else State.IGNORED
    except SoftTimeLimitExceeded:  # about the worker, not the event, which is claimed again when its lease is over
        raise
    except Exception as error:  # noqa: BLE001 - one bad event must not stop the others; it is tried again, then shown
        _try_later(event, error)
        return error
    StripeEvent.objects.filter(pk=event.pk).update(state=state, problem="")
    return None


def _is_outage(error: Exception) -> bool:
    return isinstance(error, gateway.ProcessorDown) and not isinstance(error, gateway.ProcessorRefused)


def _try_later(event: StripeEvent, error: Exception) -> None:
    """Give an event up after 12 tries, but never because the processor was away."""
    problem = type(error).__name__[:80]
    log.warning("event failed", event_id=event.event_id, type=event.type, problem=problem)
    waiting = StripeEvent.objects.filter(pk=event.pk, state=State.NEW)
    if event.attempts >= MAX_ATTEMPTS and not _is_outage(error):
        if waiting.update(state=State.DEAD, problem=problem):
            emails.alert_operators("event-dead", event.event_id)
        return
    wait = min(timedelta(seconds=10 * 2 ** min(event.attempts, 10)), LONGEST_WAIT)
    waiting.update(available_at=clock.now() + wait, problem=problem)


def try_again(events: Iterable[StripeEvent]) -> int:
    """Put events that were given up back into the queue; returns how many. What was booked is not booked again."""
    keys = [event.pk for event in events]
    revived = StripeEvent.objects.filter(pk__in=keys, state=State.DEAD).update(
        state=State.NEW, attempts=0, available_at=clock.now(), problem=""
    )
    wake.after_commit("wallet.process_events")
    return revived


def apply(kind: str, object_id: str) -> bool:
    """Fetch the object an event is about and act on its present state; False for kinds that are none of our business.

    Raises:
        ProcessorDown: it could not be fetched.
    """
    if kind.startswith("checkout.session."):
        deposits.apply_session(gateway.session(object_id))
    elif kind.startswith("payment_intent."):
        deposits.settle(gateway.payment(object_id))
    elif kind in {"charge.succeeded", "charge.updated"}:
        _apply_charge(object_id)
    elif kind.startswith(("refund.", "charge.refund.")):
        _after_its_payment(refunds.apply_refund, gateway.refund(object_id))
    elif kind == "charge.refunded":
        for refund in gateway.refunds_of_charge(object_id):
            _after_its_payment(refunds.apply_refund, refund)
        _apply_charge(object_id)  # a deposit that was never credited ends with its refund
    elif kind.startswith("charge.dispute."):
        _after_its_payment(disputes.apply_dispute, gateway.dispute(object_id))
    else:
        return False
    return True


def _apply_charge(charge_id: str) -> None:
    """A charge tells the fee of its payment, often later than the payment itself."""
    intent_id = gateway.intent_of_charge(charge_id)
    if intent_id:
        deposits.settle(gateway.payment(intent_id))
    else:
        emails.alert_operators("suspense", charge_id)


def _after_its_payment(book: Callable[[Fact], None], fact: Fact) -> None:
    try:
        book(fact)
    except refunds.PaymentNotKnown as unknown:
        deposits.settle(gateway.payment(unknown.intent_id))
        book(fact)


def sweep() -> int:
    """Ask the processor what happened since we last asked, so that a lost webhook heals itself; returns how many
    events were new. Also asks about deposits that have been open for 45 minutes, for 10 seconds at most, and ends
    abandoned ones.

    Raises:
        ProcessorDown: it did not answer; the next run starts where this one stopped.
    """
    started = clock.now()
    missed = _read_events(until=started)
    unfinished = Deposit.objects.unfinished().filter(created_at__lt=started - POLL_AFTER)
    polling = time.monotonic()
    # By lot: a hundred bank payments that take days must not keep the others from their turn.
    for deposit in unfinished.order_by("?")[:POLLED_AT_ONCE]:
        if time.monotonic() - polling > RUN_SECONDS:
            break
        try:
            deposits.refresh(deposit)
        except gateway.ProcessorRefused:
            continue
    deposits.end_abandoned()
    return missed


def _read_events(*, until: datetime) -> int:
    """Read what the processor lists from our cursor to ``until``, slice by slice, so that a run that is cut short has
    still moved on."""
    cursor, _ = EventCursor.objects.get_or_create(id=1, defaults={"read_until": until - OVERLAP})
    since, missed = cursor.read_until - OVERLAP, 0
    while since < until:
        end = min(since + SLICE, until)
        listed = gateway.events_between(since, end + timedelta(seconds=1))
        ids = [event.id for event in listed]
        known = set(StripeEvent.objects.filter(event_id__in=ids).values_list("event_id", flat=True))
        unknown = [event for event in listed if event.id not in known]
        receive(*unknown)
        EventCursor.objects.filter(id=1, read_until__lt=end).update(read_until=end)
        since, missed = end, missed + len(unknown)
    return missed
