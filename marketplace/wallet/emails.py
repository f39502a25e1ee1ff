"""Every mail the wallet sends: one function, three templates, one key and one category each. Amounts in cents."""

import hashlib
from collections.abc import Sequence

from django.db.models import QuerySet

from accounts.models import User
from marketplace.core.links import absolute
from marketplace.core.money import dollars
from marketplace.mail.models import Category
from marketplace.mail.services import send

from .models import Deposit, Reconciliation, ReconciliationFinding, Resolution

FINDINGS_IN_A_MAIL = 20


def deposit_receipt(deposit: Deposit, received: int, *, payment_id: str) -> None:
    """The money arrived."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/deposit_receipt",
        context={"amount": dollars(received), "url": absolute("wallet:receipt", deposit.public_id)},
        key=f"deposit:{payment_id}",
    )


def refunded(deposit: Deposit, amount: int, *, refund_id: str) -> None:
    """Money went back to the card."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/refunded",
        context={"amount": dollars(amount), "url": absolute("wallet:wallet")},
        key=f"refund:{refund_id}",
    )


def refund_failed(deposit: Deposit, amount: int, *, refund_id: str) -> None:
    """The bank did not take the refund; the money is back on the balance."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/refund_failed",
        context={"amount": dollars(amount), "url": absolute("wallet:wallet")},
        key=f"refund-failed:{refund_id}",
    )


def dispute_opened(deposit: Deposit, amount: int, *, owed: int, dispute_id: str) -> None:
    """A payment is disputed; buying is off for now."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/dispute_opened",
        context={"amount": dollars(amount), "owed": dollars(owed) if owed else "", "url": absolute("wallet:wallet")},
        key=f"dispute-opened:{dispute_id}",
    )


def dispute_closed(deposit: Deposit, amount: int, *, won: bool, owed: int, dispute_id: str) -> None:
    """The dispute is decided; ``won`` means the money came back to us."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/dispute_closed",
        context={
            "amount": dollars(amount),
            "won": won,
            "owed": dollars(owed) if owed else "",
            "url": absolute("wallet:wallet"),
        },
        key=f"dispute-closed:{dispute_id}:{'won' if won else 'lost'}",
    )


def payment_found(resolution: Resolution, deposit: Deposit) -> None:
    """Money that belonged to no deposit was the member's, and is on their balance."""
    send(
        deposit.buyer,
        category=Category.RECEIPT,
        template="wallet/email/payment_found",
        context={"amount": dollars(resolution.amount_cents), "url": absolute("wallet:receipt", deposit.public_id)},
        key=f"payment-found:{resolution.public_id}",
    )


def reconciliation(run: Reconciliation, news: Sequence[ReconciliationFinding]) -> None:
    """Tell every owner of the differences that ``run`` found and no mail has told of."""
    findings = [
        {"what": str(one), "theirs": one.theirs, "ours": one.ours, "processor_id": one.processor_id}
        for one in news[:FINDINGS_IN_A_MAIL]
    ]
    context = {
        "difference": dollars(run.difference_cents or 0),
        "theirs": dollars(run.processor_cents or 0),
        "ours": dollars(run.books_cents or 0),
        "findings": findings,
        "more": len(news) - len(findings),
    }
    for owner in _owners():
        send(
            owner,
            category=Category.OPERATOR,
            template="wallet/email/reconciliation",
            context=context,
            key=f"alert:reconciliation:{run.pk}:{owner.public_id}",
        )


def _owners() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True, is_active=True)


def alert_operators(what: str, processor_id: str) -> None:
    """Tell every owner, once, that money needs a look: unexplained, different from what was asked, or an event given
    up."""
    short = processor_id if len(processor_id) <= 80 else hashlib.sha256(processor_id.encode()).hexdigest()
    for owner in _owners():
        send(
            owner,
            category=Category.OPERATOR,
            template="wallet/email/alert",
            context={"what": what, "processor_id": processor_id},
            key=f"alert:{what}:{short}:{owner.public_id}",
        )
