"""Payments that their bank takes back: withdrawn, reinstated, won and lost. Buying stops while one is open."""

from marketplace.core import clock
from marketplace.core.money import CURRENCY
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger

from . import emails, gateway
from .books import book_once, left_suspense, lock_payment, out_of_suspense
from .models import Deposit, Dispute, UnexplainedPayment
from .refunds import PaymentNotKnown

# A bank's question (warning_…) may become a dispute; a lost one may be appealed, which stops nothing, and even won.
_RANK = {
    "warning_needs_response": 0,
    "warning_under_review": 1,
    "warning_closed": 2,
    "needs_response": 3,
    "under_review": 4,
    "prevented": 5,
    "lost": 5,
    "appeal_needs_response": 5,
    "appeal_under_review": 5,
    "won": 6,
}
_STILL_OPEN = _RANK["under_review"]


@in_transaction
def apply_dispute(dispute: gateway.DisputeFact) -> None:
    """Book what moved for a dispute and stop or allow buying. Each fact once, in whatever order it is told.

    A buyer's cash never goes below zero, not even for this: what is not there any more is owed.

    Raises:
        PaymentNotKnown: the payment was never settled; settle it first.
    """
    deposit, unexplained = lock_payment(dispute.intent_id)
    withdrawn, reinstated = f"{dispute.id}:withdrawn", f"{dispute.id}:reinstated"
    if deposit is None or left_suspense(withdrawn):
        _without_deposit(dispute, unexplained)
        return
    wallet = ledger.lock(deposit.buyer_id)
    known = _keep(deposit, dispute)
    if dispute.withdrawn and not ledger.is_booked(withdrawn):
        wallet = ledger.take_out(wallet, "processor", dispute.withdrawn, kind=ledger.Kind.DISPUTE, reference=withdrawn)
    if dispute.reinstated and not ledger.is_booked(reinstated):
        wallet = ledger.put_in(
            wallet, "processor", dispute.reinstated, kind=ledger.Kind.REINSTATED, reference=reinstated
        )
    _book_fees(dispute)
    if known.is_open:
        emails.dispute_opened(deposit, known.amount_cents, owed=wallet.owed, dispute_id=dispute.id)
    elif known.state in {"won", "lost"}:
        emails.dispute_closed(
            deposit, known.amount_cents, won=known.state == "won", owed=wallet.owed, dispute_id=dispute.id
        )


def _keep(deposit: Deposit, dispute: gateway.DisputeFact) -> Dispute:
    """Write the dispute down; its state only rises, so that what was asked earlier and told later changes nothing."""
    is_open = _is_open(dispute.status)
    # In our currency, as far as it is known: a payment in another one was unexplained before it was the member's.
    amount = dispute.amount if dispute.currency == CURRENCY else dispute.withdrawn or dispute.amount
    known, is_new = deposit.disputes.get_or_create(
        processor_id=dispute.id,
        defaults={
            "buyer_id": deposit.buyer_id,
            "amount_cents": amount,
            "state": dispute.status,
            "is_open": is_open,
            "seen_at": clock.now(),
        },
    )
    if not is_new and _rank(dispute.status) >= _rank(known.state):
        known.state, known.is_open, known.amount_cents = dispute.status, is_open, amount
        known.save(update_fields=["state", "is_open", "amount_cents"])
    return known


def _rank(status: str) -> int:
    """A state we do not know counts as open: rather ask a person than let disputed money be spent."""
    return _RANK.get(status, _STILL_OPEN)


def _is_open(status: str) -> bool:
    return _RANK["needs_response"] <= _rank(status) <= _STILL_OPEN


def _without_deposit(dispute: gateway.DisputeFact, payment: UnexplainedPayment | None) -> None:
    """A dispute over money in suspense is paid from suspense. One in a foreign currency that never moved our books is
    for a person to look at."""
    withdrawn, reinstated = f"{dispute.id}:withdrawn", f"{dispute.id}:reinstated"
    if payment is None and (dispute.currency == CURRENCY or dispute.withdrawn):
        raise PaymentNotKnown(dispute.intent_id)
    out_of_suspense(dispute.intent_id, dispute.withdrawn, reference=withdrawn)
    out_of_suspense(dispute.intent_id, -dispute.reinstated, reference=reinstated)
    _book_fees(dispute)
    emails.alert_operators("suspense-dispute", dispute.id)


def _book_fees(dispute: gateway.DisputeFact) -> None:
    fee, returned = f"{dispute.id}:fee", f"{dispute.id}:fee-returned"
    if dispute.fee:
        book_once("dispute_fees", "processor", dispute.fee, kind=ledger.Kind.FEE, reference=fee)
    if dispute.fee_returned > 0:
        book_once("processor", "dispute_fees", dispute.fee_returned, kind=ledger.Kind.FEE, reference=returned)
