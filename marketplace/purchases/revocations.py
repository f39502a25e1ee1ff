"""Buyers are told when a person they bought takes the consent back."""

from django.db import transaction

from marketplace.core import clock

from . import emails
from .models import Purchase


def tell_of_revocations() -> int:
    """Tell the buyers of people who took their consent back not to call them any more (DX-16); returns how many mails
    were queued. Each purchase is a transaction of its own: those told before a failure stay told."""
    told = 0
    for purchase in Purchase.objects.to_be_told().select_related("buyer", "lead__vertical"):
        with transaction.atomic():
            if Purchase.objects.filter(pk=purchase.pk, revocation_told_at=None).update(revocation_told_at=clock.now()):
                emails.consent_taken_back(purchase)
                told += 1
    return told
