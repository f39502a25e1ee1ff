"""Name and address for receipts: kept only if the member gives them, gone when they are emptied (LR-05, LR-08)."""

from typing import Any

from accounts.models import User

from .models import BillingDetails

FIELDS = ("name", "address", "city", "state", "postal_code")


def details_of(owner: User) -> BillingDetails:
    """What the member gave, or empty details that are not stored."""
    return BillingDetails.objects.filter(owner=owner).first() or BillingDetails(owner=owner)


def keep_details(owner: User, given: dict[str, Any]) -> None:
    """Keep what was given; nothing given is nothing kept."""
    values = {name: given[name] for name in FIELDS}
    if any(values.values()):
        BillingDetails.objects.update_or_create(owner=owner, defaults=values)
    else:
        BillingDetails.objects.filter(owner=owner).delete()
