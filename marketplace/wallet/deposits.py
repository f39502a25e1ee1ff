"""Money in: starting a deposit, and crediting what the processor received, once, whatever tells of it first."""

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import F

from accounts.models import User
from accounts.services import require_verified
from marketplace.core import clock, logs
from marketplace.core.links import absolute
from marketplace.core.money import CURRENCY, whole_cents
from marketplace.core.refusals import Refusal
from marketplace.core.throttle import throttle
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger

from . import emails, gateway
from .books import book_once, into_suspense
from .models import Deposit

log = logs.get("leadfair.wallet")
State = Deposit.State
CHECKOUT_OPEN = timedelta(minutes=35)  # the processor asks for at least 30
DEPOSITS_PER_HOUR = 20
GIVEN_UP = {"requires_payment_method", "canceled"}  # states of a payment from which no money comes any more


class DepositsPaused(Refusal):
    """Who may not buy is not asked for money."""

    message = "Buying is paused on your account, so no deposit can be made. Please write to our support."


def start_deposit(buyer: User, amount: int, *, lead_ids: Sequence[str] = ()) -> tuple[Deposit, str]:
    """Begin a deposit of ``amount`` cents; returns it and the address of the processor's page.

    The row is committed before the processor is asked, so money can never arrive for a deposit we do not know.
    ``lead_ids`` are the public ids of the leads to come back to.

    Raises:
        NotVerified, NotAllowed: the member may not put money in (AL-07).
        DepositsPaused: support has paused buying for the member.
        TooMany: more than 20 an hour.
        ProcessorDown: nothing was charged; the deposit ends by itself.
    """
    require_verified(buyer)
    if buyer.buying_stopped_at is not None:
        raise DepositsPaused
    whole_cents(amount)
    throttle("deposit", buyer.public_id, limit=DEPOSITS_PER_HOUR, seconds=3600)
    now = clock.now()
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=amount, lead_ids=" ".join(lead_ids), created_at=now, expires_at=now + CHECKOUT_OPEN
    )
    address = absolute("wallet:deposit", deposit.public_id)
    session = gateway.create_checkout(
        deposit_id=deposit.public_id,
        amount=amount,
        return_url=address,
        cancel_url=f"{address}?cancelled=1",
        expires_at=deposit.expires_at,
    )
    _raise_state(deposit, State.OPEN, session_id=session.id)
    Deposit.objects.filter(pk=deposit.pk, session_id=None).update(session_id=session.id)
    return deposit, session.url


def refresh(deposit: Deposit) -> Deposit:
    """Ask the processor how this deposit stands and act on it; returns the row as it is then. One that has ended is not
    asked about again: money that comes late is told.

    Raises:
        ProcessorDown: it could not be asked.
    """
    if deposit.session_id and not deposit.has_ended:
        apply_session(gateway.session(deposit.session_id))
        deposit.refresh_from_db()
    return deposit


def apply_session(session: gateway.Session) -> None:
    """Act on a checkout page as it stands: its payment if there is one, its end if it ended unpaid."""
    deposit = Deposit.objects.filter(public_id=session.deposit_id).first()
    if deposit is None:
        log.warning("checkout of no deposit", session=session.id)
    elif deposit.session_id is None:
        Deposit.objects.filter(pk=deposit.pk, session_id=None).update(session_id=session.id)
    payment = gateway.payment(session.intent_id) if session.intent_id else None
    if payment is not None:
        settle(payment)
    if deposit is None:
        return
    if session.state == "expired":
        _raise_state(deposit, State.EXPIRED)
    elif session.state == "complete" and payment is not None and payment.status in GIVEN_UP:
        _raise_state(deposit, State.FAILED)  # a delayed payment did not come through
    else:
        _raise_state(deposit, State.OPEN)


@in_transaction
def settle(payment: gateway.Payment) -> None:
    """Book what the processor received. The money fact ``<payment>:credit`` is booked once, however often it is told.

    What was received counts, never the form's amount. Late money still credits. Money of no deposit, or in another
    currency, goes to suspense with an alert, never to a guess; the deposit ends when it was sent back.
    """
    deposit = _locked(payment)
    if payment.received == 0:
        if deposit is not None and payment.status == "processing":
            _raise_state(deposit, State.PROCESSING)
        return
    credit = f"{payment.id}:credit"
    if deposit is None or payment.currency != CURRENCY:
        if deposit is not None:
            _raise_state(deposit, State.RETURNED if payment.returned else State.REVIEW)
        _to_suspense(payment)
        return
    wallet = ledger.lock(deposit.buyer_id)
    if not ledger.is_booked(credit):
        ledger.put_in(wallet, "processor", payment.received, kind=ledger.Kind.DEPOSIT, reference=credit)
        Deposit.objects.filter(pk=deposit.pk).update(received_cents=F("received_cents") + payment.received)
        _raise_state(deposit, State.PAID, intent_id=payment.id, paid_at=clock.now())
        emails.deposit_receipt(deposit, payment.received, payment_id=payment.id)
        if payment.received != deposit.amount_cents:
            emails.alert_operators("amount-differs", payment.id)
    _book_fee(payment)


def _locked(payment: gateway.Payment) -> Deposit | None:
    """The payment's deposit, locked: first the deposit, then the accounts, everywhere. A deposit has one payment; a
    second one that names it belongs to none."""
    found = Deposit.objects.select_for_update(no_key=True)
    deposit = found.filter(public_id=payment.deposit_id).first()
    return None if deposit is not None and deposit.intent_id not in (None, payment.id) else deposit


def _to_suspense(payment: gateway.Payment) -> None:
    if payment.settled:
        named = Deposit.objects.filter(public_id=payment.deposit_id).first()
        into_suspense(payment.id, payment.settled, named=named)
        _book_fee(payment)
    emails.alert_operators("suspense", payment.id)


def _book_fee(payment: gateway.Payment) -> None:
    if payment.fee:
        reference = f"{payment.id}:fee"
        book_once("processor_fees", "processor", payment.fee, kind=ledger.Kind.FEE, reference=reference)


def _raise_state(deposit: Deposit, state: str, **changes: object) -> bool:
    """Move the deposit up to ``state``; never down, never sideways. Returns whether it moved."""
    lower = [known for known, rank in Deposit.RANK.items() if rank < Deposit.RANK[State(state)]]
    return bool(Deposit.objects.filter(pk=deposit.pk, state__in=lower).update(state=state, **changes))


def end_abandoned() -> int:
    """Let deposits whose checkout closed long ago end; money that comes late still finds them. Returns how many."""
    limit = clock.now() - timedelta(hours=1)
    abandoned = Deposit.objects.filter(state=State.CREATED, expires_at__lt=limit)
    return abandoned.update(state=State.EXPIRED)
