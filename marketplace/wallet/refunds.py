"""Money back to a card, as the processor tells it (staff may start refunds there)."""

from marketplace.core import clock, logs
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger

from . import emails, gateway
from .models import Deposit, Refund

log = logs.get("leadfair.wallet")
CAME_BACK = {"failed", "canceled"}


@in_transaction
def apply_refund(refund: gateway.RefundFact) -> None:
    """Book a refund: out when it was made, back when it failed. Each fact once, in whatever order it is told."""
    deposit = Deposit.objects.select_for_update(no_key=True).filter(intent_id=refund.intent_id).first()
    if deposit is None:
        _without_deposit(refund)
        return
    wallet = ledger.lock(deposit.buyer_id)
    Refund.objects.update_or_create(
        processor_id=refund.id,
        defaults={"state": refund.status},
        create_defaults={
            "deposit": deposit,
            "amount_cents": refund.amount,
            "state": refund.status,
            "seen_at": clock.now(),
        },
    )
    out, back = f"{refund.id}:out", f"{refund.id}:back"
    if not ledger.is_booked(out):
        wallet = ledger.take_out(wallet, "processor", refund.amount, kind=ledger.Kind.REFUND, reference=out)
        emails.refunded(deposit, refund.amount, refund_id=refund.id)
    if refund.status in CAME_BACK and not ledger.is_booked(back):
        ledger.put_in(wallet, "processor", refund.amount, kind=ledger.Kind.REFUND, reference=back)
        emails.refund_failed(deposit, refund.amount, refund_id=refund.id)


def _without_deposit(refund: gateway.RefundFact) -> None:
    """A refund of money in suspense leaves suspense; one of a payment not told yet waits for it."""
    if not ledger.is_booked(f"{refund.intent_id}:credit"):
        raise PaymentNotKnown(refund.intent_id)
    out, back = f"{refund.id}:out", f"{refund.id}:back"
    if not ledger.is_booked(out):
        ledger.transfer("suspense", "processor", refund.amount, kind=ledger.Kind.SUSPENSE, reference=out)
    if refund.status in CAME_BACK and not ledger.is_booked(back):
        ledger.transfer("processor", "suspense", refund.amount, kind=ledger.Kind.SUSPENSE, reference=back)
    log.warning("refund of unexplained money", refund=refund.id)


class PaymentNotKnown(Exception):
    """A refund or dispute was told before its payment. The caller settles the payment first."""

    def __init__(self, intent_id: str) -> None:
        self.intent_id = intent_id
        super().__init__(intent_id)
