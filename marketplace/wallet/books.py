"""Booking a fact that no buyer's lock guards: money of no deposit, and fees."""

from django.db import IntegrityError, transaction
from django.db.models import F

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer

from .models import Deposit, UnexplainedPayment


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


def lock_payment(intent_id: str) -> tuple[Deposit | None, UnexplainedPayment | None]:
    """The deposit of a payment and its row as unexplained money, whichever there are, both locked until the
    transaction ends and before anybody's accounts. A payment that has neither is not known yet: it may be booked a
    moment later, so that the books, asked after this, are no answer to whose it is."""
    deposits = Deposit.objects.select_for_update(no_key=True).filter(intent_id=intent_id)
    deposit = deposits.first()
    unexplained = UnexplainedPayment.objects.select_for_update(no_key=True).filter(intent_id=intent_id).first()
    if deposit is None and unexplained is not None:
        deposit = deposits.first()  # made of it while we waited
    return deposit, unexplained


def into_suspense(intent_id: str, amount: int, *, named: Deposit | None = None) -> None:
    """Book a payment of no deposit, once, and make the row by which people work on it. ``named`` is the deposit the
    processor names, though it does not fit."""
    reference = f"{intent_id}:credit"
    if book_once("processor", "suspense", amount, kind=ledger.Kind.SUSPENSE, reference=reference):
        UnexplainedPayment.objects.create(
            intent_id=intent_id, deposit=named, received_cents=amount, arrived_at=clock.now()
        )


def out_of_suspense(intent_id: str, amount: int, *, reference: str) -> None:
    """Book what went back of an unexplained payment, once; a negative ``amount`` came back again."""
    sides = ("suspense", "processor") if amount > 0 else ("processor", "suspense")
    if amount and book_once(*sides, abs(amount), kind=ledger.Kind.SUSPENSE, reference=reference):
        payment = UnexplainedPayment.objects.filter(intent_id=intent_id)
        payment.update(returned_cents=F("returned_cents") + amount)


def left_suspense(reference: str) -> bool:
    """Whether the fact was paid from suspense. What comes back for it goes there, whosever the payment is by now."""
    return Transfer.objects.filter(reference=reference, kind=ledger.Kind.SUSPENSE).exists()
