"""Payments that their bank takes back: withdrawn, reinstated, won and lost. Buying stops while one is open."""

from marketplace.core import clock
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger

from . import emails, gateway
from .models import Deposit, Dispute
from .refunds import PaymentNotKnown

CLOSED = {"won", "lost", "warning_closed", "prevented"}


def has_open_dispute(buyer_id: int) -> bool:
    """Whether a payment of this member is disputed now."""
    return Dispute.objects.filter(buyer_id=buyer_id, is_open=True).exists()


@in_transaction
def apply_dispute(dispute: gateway.DisputeFact) -> None:
    """Book what moved for a dispute and stop or allow buying. Each fact once, in whatever order it is told.

    A buyer's cash never goes below zero, not even for this: what is not there any more is owed.

    Raises:
        PaymentNotKnown: the payment was never settled; settle it first.
    """
    deposit = Deposit.objects.select_for_update(no_key=True).filter(intent_id=dispute.intent_id).first()
    if deposit is None:
        _without_deposit(dispute)
        return
    wallet = ledger.lock(deposit.buyer_id)
    is_open = dispute.status not in CLOSED and not dispute.status.startswith("warning_")
    _, is_new = Dispute.objects.update_or_create(
        processor_id=dispute.id,
        defaults={"state": dispute.status, "is_open": is_open},
        create_defaults={
            "deposit": deposit,
            "buyer_id": deposit.buyer_id,
            "amount_cents": dispute.amount,
            "state": dispute.status,
            "is_open": is_open,
            "seen_at": clock.now(),
        },
    )
    withdrawn, reinstated = f"{dispute.id}:withdrawn", f"{dispute.id}:reinstated"
    if dispute.withdrawn and not ledger.is_booked(withdrawn):
        wallet = ledger.take_out(
            wallet, "processor", dispute.withdrawn, kind=ledger.Kind.DISPUTE, reference=withdrawn
        )
    if dispute.reinstated and not ledger.is_booked(reinstated):
        wallet = ledger.put_in(
            wallet, "processor", dispute.reinstated, kind=ledger.Kind.REINSTATED, reference=reinstated
        )
    _book_fee(dispute)
    if is_new and is_open:
        emails.dispute_opened(deposit, dispute.amount, owed=wallet.owed, dispute_id=dispute.id)
    if not is_open and dispute.status in {"won", "lost"}:
        emails.dispute_closed(
            deposit, dispute.amount, won=dispute.status == "won", owed=wallet.owed, dispute_id=dispute.id
        )


def _without_deposit(dispute: gateway.DisputeFact) -> None:
    """A dispute over money in suspense is paid from suspense."""
    if not ledger.is_booked(f"{dispute.intent_id}:credit"):
        raise PaymentNotKnown(dispute.intent_id)
    kind = ledger.Kind.SUSPENSE
    withdrawn, reinstated = f"{dispute.id}:withdrawn", f"{dispute.id}:reinstated"
    if dispute.withdrawn and not ledger.is_booked(withdrawn):
        ledger.transfer("suspense", "processor", dispute.withdrawn, kind=kind, reference=withdrawn)
    if dispute.reinstated and not ledger.is_booked(reinstated):
        ledger.transfer("processor", "suspense", dispute.reinstated, kind=kind, reference=reinstated)
    _book_fee(dispute)


def _book_fee(dispute: gateway.DisputeFact) -> None:
    reference = f"{dispute.id}:fee"
    if dispute.fee and not ledger.is_booked(reference):
        ledger.transfer("dispute_fees", "processor", dispute.fee, kind=ledger.Kind.FEE, reference=reference)
