"""Buyers are told when a person they bought takes the consent back."""

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from marketplace.core import clock, logs
from marketplace.leads.models import Consent
from marketplace.leads.services import note_buyers_told

from . import emails
from .models import Purchase

log = logs.get("leadfair.purchases")
AT_ONCE = 500


def tell_of_revocations() -> int:
    """Tell the buyers of people who took their consent back not to call them any more (DX-16); returns how many mails
    were queued. Each purchase is a transaction of its own: one that fails is left for the next run, and stops no other.

    A consent of which all buyers know is not looked at again. None of them comes later: whoever takes a consent back
    takes the lead off sale, and waits for who is buying it.
    """
    told, last = 0, 0
    untold = Consent.objects.revocations_to_tell().order_by("pk").values_list("pk", flat=True)
    while consents := list(untold.filter(pk__gt=last)[:AT_ONCE]):
        last = consents[-1]
        told += sum(map(_tell, Purchase.objects.to_be_told(consents).select_related("buyer", "lead__vertical")))
        left = set(Purchase.objects.to_be_told(consents).values_list("lead__consent", flat=True))
        note_buyers_told(consent for consent in consents if consent not in left)
    return told


def _tell(purchase: Purchase) -> bool:
    try:
        return _tell_once(purchase)
    except SoftTimeLimitExceeded:  # about the worker, not the purchase
        raise
    except Exception as error:
        log.error("revocation not told", id=purchase.public_id, exc_info=error)
        return False


@transaction.atomic
def _tell_once(purchase: Purchase) -> bool:
    if not Purchase.objects.filter(pk=purchase.pk, revocation_told_at=None).update(revocation_told_at=clock.now()):
        return False
    emails.consent_taken_back(purchase)
    return True
