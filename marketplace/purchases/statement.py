"""How a purchase is called in the buyer's statement."""

from collections.abc import Mapping, Sequence

from django.urls import reverse

from marketplace.ledger.models import Transfer
from marketplace.wallet.statement import Cause, tells

from . import crediting
from .models import Credit, Purchase
from .services import PREFIX


@tells(Transfer.Kind.PURCHASE)
def causes(references: Sequence[str]) -> Mapping[str, Cause]:
    """What was bought, by the references of the payments: line of business and place, never the person."""
    ids = [reference.removeprefix(PREFIX) for reference in references]
    found = Purchase.objects.filter(public_id__in=ids).select_related("lead__vertical", "order")
    return {f"{PREFIX}{purchase.public_id}": _cause(purchase) for purchase in found}


@tells(Transfer.Kind.CREDIT)
def causes_of_credits(references: Sequence[str]) -> Mapping[str, Cause]:
    """Which purchase money came back for, by the references of the credits."""
    ids = [reference.removeprefix(crediting.PREFIX) for reference in references]
    found = Credit.objects.filter(public_id__in=ids)
    found = found.select_related("purchase__lead__vertical", "purchase__order")
    return {crediting.reference_of(credit): _cause(credit.purchase, "Credited: ") for credit in found}


def _cause(purchase: Purchase, before: str = "") -> Cause:
    lead = purchase.lead
    return Cause(
        f"{before}{lead.vertical.name}, {lead.city} {lead.state}",
        reverse("purchases:my_lead", args=[purchase.public_id]),
        {"Purchase": purchase.public_id, "Lead": lead.public_id, "Order": purchase.order.public_id},
    )
