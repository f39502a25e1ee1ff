"""The inbox: what the processor told us, worked off one event at a time by looking at the object's present state."""

from datetime import timedelta

from celery import current_app
from django.db import transaction
from django.db.models import F

from marketplace.core import clock, logs
from marketplace.core.refusals import Refusal

from . import deposits, disputes, emails, gateway, refunds
from .models import Deposit, EventCursor, StripeEvent

log = logs.get("leadfair.wallet")
State = StripeEvent.State
MAX_ATTEMPTS = 12
LEASE = timedelta(minutes=1)
OVERLAP = timedelta(hours=1)
POLL_AFTER = timedelta(minutes=45)


def receive(event: gateway.Event) -> None:
    """Store an event once and wake a worker."""
    now = clock.now()
    row = StripeEvent(
        event_id=event.id,
        type=event.type,
        object_id=event.object_id,
        happened_at=event.created,
        received_at=now,
        available_at=now,
    )
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    try:
        current_app.send_task("wallet.process_events")
    except Exception as error:  # noqa: BLE001 - without a broker the beat finds the row
        log.warning("broker down", error=type(error).__name__)


def process_events(limit: int = 200) -> int:
    """Work off the events that wait; returns how many were done. Any number of workers may run."""
    done = 0
    for _ in range(limit):
        event = _claim()
        if event is None:
            break
        done += _process(event)
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


def _process(event: StripeEvent) -> bool:
    try:
        state = State.DONE if apply(event.type, event.object_id) else State.IGNORED
    except Exception as error:  # noqa: BLE001 - one bad event must not stop the others; it is tried again, then shown
        _try_later(event, error)
        return False
    StripeEvent.objects.filter(pk=event.pk).update(state=state, problem="")
    return True


def _try_later(event: StripeEvent, error: Exception) -> None:
    problem = type(error).__name__[:80]
    log.warning("event failed", event_id=event.event_id, type=event.type, problem=problem)
    if event.attempts >= MAX_ATTEMPTS:
        StripeEvent.objects.filter(pk=event.pk).update(state=State.DEAD, problem=problem)
        emails.alert_operators("event-dead", event.event_id)
        return
    wait = min(timedelta(seconds=10 * 2**event.attempts), timedelta(hours=1))
    StripeEvent.objects.filter(pk=event.pk).update(available_at=clock.now() + wait, problem=problem)


def apply(kind: str, object_id: str) -> bool:
    """Fetch the object an event is about and act on its present state; False for kinds that are none of our business.

    Raises:
        ProcessorDown: it could not be fetched.
    """
    if kind.startswith("checkout.session."):
        session = gateway.session(object_id)
        deposits.apply_session(session)
        if kind == "checkout.session.async_payment_failed":
            deposits.payment_failed(session)
    elif kind.startswith("payment_intent."):
        deposits.settle(gateway.payment(object_id))
    elif kind.startswith("refund."):
        _apply_refund(gateway.refund(object_id))
    elif kind == "charge.refunded":
        for refund in gateway.refunds_of_charge(object_id):
            _apply_refund(refund)
    elif kind.startswith("charge.dispute."):
        _apply_dispute(gateway.dispute(object_id))
    else:
        return False
    return True


def _apply_refund(refund: gateway.RefundFact) -> None:
    try:
        refunds.apply_refund(refund)
    except refunds.PaymentNotKnown as unknown:
        deposits.settle(gateway.payment(unknown.intent_id))
        refunds.apply_refund(refund)


def _apply_dispute(dispute: gateway.DisputeFact) -> None:
    try:
        disputes.apply_dispute(dispute)
    except refunds.PaymentNotKnown as unknown:
        deposits.settle(gateway.payment(unknown.intent_id))
        disputes.apply_dispute(dispute)


def sweep() -> int:
    """Ask the processor what happened since we last asked, so that a lost webhook heals itself; returns how many
    events were new. Also asks about every deposit that has been open for 45 minutes, and ends abandoned ones."""
    started = clock.now()
    cursor, _ = EventCursor.objects.get_or_create(id=1, defaults={"read_until": started - OVERLAP})
    known = set(
        StripeEvent.objects.filter(happened_at__gte=cursor.read_until - 2 * OVERLAP).values_list("event_id", flat=True)
    )
    missed = [event for event in gateway.events_since(cursor.read_until - OVERLAP) if event.id not in known]
    for event in reversed(missed):
        receive(event)
    EventCursor.objects.filter(id=1, read_until__lt=started).update(read_until=started)
    unfinished = Deposit.objects.filter(
        state__in=[Deposit.State.OPEN, Deposit.State.PROCESSING], created_at__lt=started - POLL_AFTER
    )
    for deposit in unfinished.order_by("created_at")[:100]:
        try:
            deposits.refresh(deposit)
        except Refusal:
            break
    deposits.end_abandoned()
    return len(missed)
