"""Booking a fact that no lock guards: money of no deposit, and fees."""

from django.db import IntegrityError, transaction

from marketplace.ledger import services as ledger


def book_once(debit: str, credit: str, amount: int, *, kind: str, reference: str) -> bool:
    """Move ``amount`` cents between two house accounts unless the money fact ``reference`` is booked; returns whether
    this call booked it. Of two workers that look at the same moment one does; the other finds it done."""
    if ledger.is_booked(reference):
        return False
    try:
        with transaction.atomic():
            ledger.transfer(debit, credit, amount, kind=kind, reference=reference)
    except IntegrityError:
        if not ledger.is_booked(reference):
            raise
        return False
    return True
