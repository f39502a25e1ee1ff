"""Looking at personal details: written down first, with the reason, and limited (issue of the back office).

A look that cannot be written down does not take place.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from marketplace.core import clock
from marketplace.core.cards import mask_cards
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import ask_once, decide

from .models import MoreReveals, Reveal

ALONE = 50  # people in an hour
AN_HOUR = timedelta(hours=1)
Details = TypeVar("Details")


class TooManyReveals(Refusal):
    """So many people were looked at within the hour; another person may allow more."""

    status = 429
    retry_after = 3600

    def __init__(self, looked_at: int) -> None:
        self.looked_at = looked_at
        super().__init__(
            f"You have looked at {looked_at} people within an hour. Wait, or ask somebody else to allow more: tell "
            "them what you are working on."
        )


def reveal(staff: Any, about: Reveal.About, subject_id: str, *, reason: str, read: Callable[[], Details]) -> Details:
    """What ``read`` answers, once it is written down who looks at whom and why.

    Raises:
        RuntimeError: inside a transaction, which could undo the record after the details were seen.
        TooManyReveals: nothing is read.
        DatabaseError: the record cannot be written; nothing is read.
    """
    with transaction.atomic(durable=True):
        _record(staff, about, subject_id, reason)
    return read()


def _record(staff: Any, about: Reveal.About, subject_id: str, reason: str) -> None:
    get_user_model().objects.select_for_update(no_key=True).get(pk=staff.pk)  # two looks at once count as two
    again = _within_an_hour(staff).filter(about=about, subject_id=subject_id).exists()
    if not again and people_left(staff) <= 0:
        raise TooManyReveals(people_looked_at(staff))
    why = mask_cards(reason)
    Reveal.objects.create(
        staff=staff, about=Reveal.About(about), subject_id=subject_id, reason=why, revealed_at=clock.now()
    )


def looks_at(member: Any) -> QuerySet[Reveal]:
    """The looks of our staff at the details of a member, newest first: the member can read who looked and why."""
    about = Reveal.objects.filter(about=Reveal.About.MEMBER, subject_id=member.public_id)
    return about.select_related("staff").order_by("-revealed_at")


def _within_an_hour(staff: Any) -> QuerySet[Reveal]:
    return Reveal.objects.filter(staff=staff, revealed_at__gt=clock.now() - AN_HOUR)


def people_looked_at(staff: Any) -> int:
    """How many people this member of staff looked at within the hour; one of them twice is one."""
    return _within_an_hour(staff).order_by().values("about", "subject_id").distinct().count()


def people_left(staff: Any) -> int:
    """How many more people this member of staff may look at now."""
    since = clock.now() - AN_HOUR
    allowed = MoreReveals.objects.approved().filter(maker=staff, decided_at__gt=since).count()
    return ALONE * (1 + allowed) - people_looked_at(staff)


def ask_for_more(staff: Any, *, reason: str, key: str = "") -> MoreReveals:
    """Ask for another 50 people within an hour. Asked again while it waits, it is the same request."""
    waiting = MoreReveals.objects.waiting().filter(maker=staff)
    try:
        return waiting.first() or ask_once(MoreReveals, staff, key=key, reason=reason)
    except IntegrityError:
        if asked_at_the_same_moment := waiting.first():
            return asked_at_the_same_moment
        raise


@in_transaction
def allow_more(checker: Any, request: MoreReveals) -> None:
    """Let somebody else look at 50 more people, for an hour from now.

    Raises:
        SamePerson, AlreadyDecided: see ``decide``.
    """
    decide(request, checker, MoreReveals.State.APPROVED)


def decline_more(checker: Any, request: MoreReveals, *, answer: str) -> None:
    """Leave it at 50, and say why.

    Raises:
        SamePerson, AlreadyDecided: see ``decide``.
    """
    decide(request, checker, MoreReveals.State.DECLINED, answer=answer)
