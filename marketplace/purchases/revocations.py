"""Buyers are told when a person they bought takes the consent back."""

from django.db import transaction

from marketplace.core import clock
from marketplace.leads.models import Consent

from . import emails
from .models import Purchase

AT_ONCE = 500


def tell_of_revocations() -> int:
    """Tell the buyers of people who took their consent back not to call them any more (DX-16); returns how many mails
    were queued. Each purchase is a transaction of its own: those told before a failure stay told.

    A consent of which all buyers know is not looked at again. None of them comes later: whoever takes a consent back
    holds the lead's row, and without a consent that stands nobody buys.
    """
    told = 0
    while consents := list(Consent.objects.revocations_to_tell().order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        told += sum(map(_tell, Purchase.objects.to_be_told(consents).select_related("buyer", "lead__vertical")))
        Consent.objects.filter(pk__in=consents).update(buyers_told_at=clock.now())
    return told


@transaction.atomic
def _tell(purchase: Purchase) -> bool:
    if not Purchase.objects.filter(pk=purchase.pk, revocation_told_at=None).update(revocation_told_at=clock.now()):
        return False
    emails.consent_taken_back(purchase)
    return True
