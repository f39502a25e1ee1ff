"""The mail about an adjustment."""

from marketplace.core.links import absolute
from marketplace.core.money import dollars
from marketplace.mail.models import Category
from marketplace.mail.services import send

from .models import Adjustment


def adjusted(adjustment: Adjustment) -> None:
    """Money of the member was put right by our staff, who say why."""
    send(
        adjustment.owner,
        category=Category.RECEIPT,
        template="ledger/email/adjusted",
        context={
            "was": {adjustment.kind: True},
            "amount": dollars(adjustment.amount_cents),
            "reason": adjustment.reason,
            "url": absolute("wallet:wallet"),
        },
        key=f"adjustment:{adjustment.public_id}",
    )
