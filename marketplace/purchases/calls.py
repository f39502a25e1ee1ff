"""The calls a buyer made and means to make, and whether the number was looked up before."""

from datetime import date, datetime

from marketplace.core import clock
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction

from .models import CallAttempt, Purchase


class MayNotBeCalled(Refusal):
    """The person took the consent back, or asked this buyer not to call."""

    message = "This person may not be called any more. No call was planned."


@in_transaction
def log_call(purchase: Purchase, outcome: str, *, key: str) -> CallAttempt:
    """Note that the buyer called just now, and what came of it. The same ``key`` and outcome again answer with the
    first call, so that a double tap logs one; another outcome is another call, whatever page it is told from."""
    outcome, now = CallAttempt.Outcome(outcome), clock.now()
    return CallAttempt.objects.get_or_create(purchase=purchase, key=key, outcome=outcome, defaults={"made_at": now})[0]


def remove_call(purchase: Purchase, call_id: str) -> None:
    """Take a call out of the log; twice changes nothing."""
    purchase.calls.filter(public_id=call_id).delete()


def plan_call(purchase: Purchase, at: datetime | None) -> None:
    """Say when the buyer means to call next (UTC); None clears it.

    Raises:
        MayNotBeCalled: nothing was changed.
    """
    wanted = Purchase.objects.filter(pk=purchase.pk)
    if not (wanted if at is None else wanted.may_be_called()).update(next_call_at=at):
        raise MayNotBeCalled


def note_dnc_check(purchase: Purchase, on: date | None) -> None:
    """Say on which day the buyer last looked into the do-not-call registry for this number; None clears it."""
    Purchase.objects.filter(pk=purchase.pk).update(dnc_checked_on=on)
