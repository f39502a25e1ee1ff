"""Money back to a card, as the processor tells it (staff may start refunds there)."""

from marketplace.core import clock
from marketplace.core.money import CURRENCY
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger

from . import emails, gateway
from .books import left_suspense, lock_payment, out_of_suspense
from .models import Deposit, Resolution, UnexplainedPayment

CAME_BACK = {"failed", "canceled"}
_RANK = {"succeeded": 1, "failed": 2, "canceled": 2}  # every other state is earlier


@in_transaction
def apply_refund(refund: gateway.RefundFact) -> None:
    """Book a refund: out when it was made, back when it failed. Each fact once, in whatever order it is told.

    Raises:
        PaymentNotKnown: the payment was never settled; settle it first.
    """
    deposit, unexplained = lock_payment(refund.intent_id)
    out, back = f"{refund.id}:out", f"{refund.id}:back"
    if deposit is None or left_suspense(out):
        _without_deposit(refund, unexplained)
        return
    wallet = ledger.lock(deposit.buyer_id)
    amount = _in_ours(refund)
    state = _keep(deposit, refund, amount)
    if not ledger.is_booked(out):
        wallet = ledger.take_out(wallet, "processor", amount, kind=ledger.Kind.REFUND, reference=out)
        if state not in CAME_BACK:
            emails.refunded(deposit, amount, refund_id=refund.id)
    if state in CAME_BACK and not ledger.is_booked(back):
        ledger.put_in(wallet, "processor", amount, kind=ledger.Kind.REFUND, reference=back)
        emails.refund_failed(deposit, amount, refund_id=refund.id)


def _in_ours(refund: gateway.RefundFact) -> int:
    """Cents of our currency. A payment in another one was unexplained before somebody found whose it is."""
    if refund.currency == CURRENCY:
        return refund.amount
    if refund.settled is None:
        raise NotSettled(refund.id)
    return refund.settled


def _keep(deposit: Deposit, refund: gateway.RefundFact, amount: int) -> str:
    """Write the refund down; its state only rises, so that what was asked earlier and told later changes nothing."""
    known, is_new = deposit.refunds.get_or_create(
        processor_id=refund.id,
        defaults={"amount_cents": amount, "state": refund.status, "seen_at": clock.now()},
    )
    if not is_new and _RANK.get(refund.status, 0) > _RANK.get(known.state, 0):
        known.state = refund.status
        known.save(update_fields=["state"])
    return known.state


def _without_deposit(refund: gateway.RefundFact, payment: UnexplainedPayment | None) -> None:
    """A refund of money in suspense leaves suspense; one of a payment not told yet waits for it. One in a foreign
    currency that never moved our books is for a person to look at."""
    out, back = f"{refund.id}:out", f"{refund.id}:back"
    if payment is None:
        if refund.currency == CURRENCY or refund.settled is not None:
            raise PaymentNotKnown(refund.intent_id)
    elif refund.settled is not None:
        out_of_suspense(refund.intent_id, refund.settled, reference=out)
        if refund.status in CAME_BACK:
            out_of_suspense(refund.intent_id, -refund.settled, reference=back)
    if refund.status in CAME_BACK or not _was_decided(refund):
        emails.alert_operators("suspense-refund", refund.id)


def _was_decided(refund: gateway.RefundFact) -> bool:
    """Whether two people decided to send the payment back: then its refund surprises nobody."""
    return Resolution.objects.approved().filter(payment__intent_id=refund.intent_id, member=None).exists()


class PaymentNotKnown(Exception):
    """A refund or dispute was told before its payment. The caller settles the payment first."""

    def __init__(self, intent_id: str) -> None:
        self.intent_id = intent_id
        super().__init__(intent_id)


class NotSettled(Exception):
    """What a refund in another currency takes from our balance is not known yet. It is asked about again."""
