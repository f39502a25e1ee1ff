"""Taking what was not sold of a file off sale, and putting it back.

The row of the withdrawal says what is wanted; the leads follow in portions, so that a buyer waits for milliseconds at
most. Whoever pressed the button does the first of them, a worker what is left.
"""

import time
from collections import deque
from collections.abc import Collection

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F, Max

from accounts.models import User
from marketplace.core import clock, logs, wake
from marketplace.core.refusals import Busy, Refusal
from marketplace.core.transactions import in_transaction
from marketplace.leads import pricing
from marketplace.leads.models import Lead, LeadQuerySet

from .models import ImportBatch, Withdrawal, WithdrawnLead

log = logs.get("leadfair.supply")
LEADS_AT_ONCE = 1000
PRESS_SECONDS = 2
RUN_SECONDS = 20  # for all withdrawals together; then files come in
TASK = "supply.work"
Status = Lead.Status
UNSOLD = (Status.OPEN, Status.HELD)


class NothingToWithdraw(Refusal):
    message = "Nothing of this file is left to withdraw."


class NotImported(Refusal):
    message = "This file is still coming in. Withdraw the rest of it when it is done."


class NothingToPutBack(Refusal):
    message = "No withdrawal of this file is left to undo."


def unsold(batch: ImportBatch) -> LeadQuerySet:
    """The leads of this file that are on sale or on hold."""
    return Lead.objects.filter(pk__in=batch.rows.exclude(lead=None).values("lead"), status__in=UNSOLD)


def withdraw(staff: User, batch: ImportBatch, *, reason: str) -> Withdrawal:
    """Take every lead of ``batch`` that is on sale or on hold off sale; what was sold stays sold.

    Raises:
        NotImported: the file is still coming in.
        NothingToWithdraw: nothing is left, or somebody else did so a moment ago.
        Busy: the database gave up before it was begun; nothing changed.
    """
    withdrawal = _begin(staff, batch, reason)
    _press(withdrawal)
    return withdrawal


def undo(staff: User, batch: ImportBatch) -> Withdrawal:
    """Put back what the standing withdrawal of ``batch`` took, as it was, on sale with the price of its age or on hold.
    What is too old by now, or without a standing consent, stays withdrawn.

    Raises:
        NothingToPutBack: none stands.
        Busy: see ``withdraw``.
    """
    withdrawal = _begin_undoing(staff, batch)
    _press(withdrawal)
    return withdrawal


def _press(withdrawal: Withdrawal) -> None:
    """Withdraw or put back the first portions, for as long as somebody waits. It was begun: if the database gives up
    now, a worker goes on all the same."""
    until = time.monotonic() + PRESS_SECONDS
    try:
        while _portion(withdrawal.pk):
            if time.monotonic() > until:
                wake.after_commit(TASK)
                break
    except Busy:
        wake.after_commit(TASK)
    withdrawal.refresh_from_db()


def finish_all() -> int:
    """Finish what others began, a portion of each in turn, until all are done or the time is over; returns how many
    portions that were. One that breaks off does not stop the others; it is tried again by the next run."""
    unfinished = deque(Withdrawal.objects.unfinished().order_by("pk").values_list("pk", flat=True))
    portions, until = 0, time.monotonic() + RUN_SECONDS
    while unfinished and time.monotonic() < until:
        withdrawal_id = unfinished.popleft()
        try:
            if _portion(withdrawal_id):
                portions += 1
                unfinished.append(withdrawal_id)
        except SoftTimeLimitExceeded:  # about the worker, not the withdrawal
            raise
        except Exception as error:
            log.error("withdrawal broke off", id=withdrawal_id, exc_info=error)
    if unfinished:
        wake.after_commit(TASK)
    return portions


@in_transaction
def _begin(staff: User, batch: ImportBatch, reason: str) -> Withdrawal:
    batch = ImportBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    if batch.state != ImportBatch.State.DONE:
        raise NotImported
    if batch.withdrawals.standing().exists() or not unsold(batch).exists():
        raise NothingToWithdraw
    return Withdrawal.objects.create(batch=batch, reason=reason, made_by=staff, made_at=clock.now())


@in_transaction
def _begin_undoing(staff: User, batch: ImportBatch) -> Withdrawal:
    batch = ImportBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    withdrawal = batch.withdrawals.standing().select_for_update(no_key=True).first()
    if withdrawal is None:
        raise NothingToPutBack
    withdrawal.undone_by, withdrawal.undone_at = staff, clock.now()
    withdrawal.save(update_fields=["undone_by", "undone_at"])
    return withdrawal


@in_transaction
def _portion(withdrawal_id: int) -> bool:
    """Withdraw or put back the next leads, in one transaction; False if none were left. The withdrawal is locked first,
    so that two never take the same leads, then the leads by id."""
    withdrawal = (
        Withdrawal.objects.select_for_update(no_key=True, of=("self",)).select_related("batch").get(pk=withdrawal_id)
    )
    if withdrawal.undone_at is None:
        return withdrawal.withdrawn_at is None and _withdraw_portion(withdrawal)
    return withdrawal.put_back_at is None and _put_back_portion(withdrawal)


def _withdraw_portion(withdrawal: Withdrawal) -> bool:
    last = withdrawal.leads.aggregate(last=Max("lead_id"))["last"] or 0
    left = unsold(withdrawal.batch).filter(pk__gt=last)
    ids = _locked(left)
    if not ids:
        withdrawal.withdrawn_at = clock.now()
        withdrawal.save(update_fields=["withdrawn_at"])
        return False
    found = _still_unsold(ids)
    taken = [
        WithdrawnLead(withdrawal=withdrawal, lead_id=lead_id, was_on_sale=status == Status.OPEN)
        for lead_id, status in found.values_list("pk", "status")
    ]
    found.update(status=Status.WITHDRAWN)
    WithdrawnLead.objects.bulk_create(taken)
    return True


def _put_back_portion(withdrawal: Withdrawal) -> bool:
    left = withdrawal.leads.filter(came_back=None).order_by("lead_id")[:LEADS_AT_ONCE]
    took = {one.lead_id: one.was_on_sale for one in left}
    if not took:
        withdrawal.put_back_at = clock.now()
        withdrawal.save(update_fields=["put_back_at"])
        return False
    now = clock.now()
    locked = Lead.objects.filter(pk__in=_locked(Lead.objects.filter(pk__in=took)))
    may = locked.filter(status=Status.WITHDRAWN, slots_sold__lt=F("slots_total"))
    may = may.exclude(pk__in=locked.consent_ended(now).values("pk"))
    back = []
    for lead in may.select_related("vertical"):
        band = pricing.age_band(lead.asked_at, now)
        if band is None:
            continue
        lead.status = Status.OPEN if took[lead.pk] else Status.HELD
        lead.age_band, lead.price_cents = band, _price(lead, band)
        back.append(lead)
    Lead.objects.bulk_update(back, ["status", "age_band", "price_cents"], batch_size=200)
    mine = withdrawal.leads.filter(lead__in=list(took))
    ids = [lead.pk for lead in back]
    mine.filter(lead__in=ids).update(came_back=True)
    mine.exclude(lead__in=ids).update(came_back=False)
    return True


def _price(lead: Lead, band: int) -> int:
    percent = lead.vertical.exclusive_percent
    return pricing.price(lead.base_cents, exclusive_percent=percent, slots_total=lead.slots_total, band=band)


def _locked(leads: LeadQuerySet) -> list[int]:
    return list(leads.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)[:LEADS_AT_ONCE])


def _still_unsold(ids: Collection[int]) -> LeadQuerySet:
    """What a buyer took while we waited for the lock stays sold."""
    return Lead.objects.filter(pk__in=ids, status__in=UNSOLD)
