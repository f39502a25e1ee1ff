"""What support does for a member on the phone: verbs of the rooms they belong to, written down with their reasons."""

from collections.abc import Iterable

from django.contrib.auth.models import Group

from accounts import codes
from accounts import services as accounts
from accounts.factors import NotForYou, remove_second_factor
from accounts.models import User
from marketplace.core import clock
from marketplace.core.cards import mask_cards
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import SamePerson
from marketplace.ledger import adjustments
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Adjustment

from . import emails
from .models import Act
from .roles import ROLES

Kind = Act.Kind
LARGE = 1_000_00  # cents: an adjustment that the owners hear of


class NothingToDo(Refusal):
    """It is so already."""


def _write_down(staff: User, member: User, kind: Act.Kind, text: str) -> None:
    """Card numbers are masked in whatever people write (AL-11)."""
    Act.objects.create(member=member, staff=staff, kind=kind, text=mask_cards(text), made_at=clock.now())


def note(staff: User, member: User, *, text: str) -> None:
    """Note something about a member, for whoever answers them next. The member can read it in their data."""
    _write_down(staff, member, Kind.NOTE, text)


def resend_code(staff: User, member: User, *, reason: str) -> None:
    """Send a member a code that confirms their email in any browser.

    Raises:
        AlreadyVerified: there is nothing to prove.
        TooMany: more than 5 codes an hour.
    """
    codes.count_by_support(member)
    _send_code(staff, member, reason)


@in_transaction
def _send_code(staff: User, member: User, reason: str) -> None:
    codes.send_by_support(member)
    _write_down(staff, member, Kind.CODE, reason)


def correct_email(staff: User, member: User, *, email: str, reason: str) -> None:
    """Replace an address that was mistyped at sign-up, and send a code to the right one.

    Raises:
        EmailProved, SameEmail, EmailTaken: see ``accounts.correct_email``.
        TooMany: more than 5 codes an hour; the address stays as it is.
    """
    codes.count_by_support(member)
    _correct_email(staff, member, email, reason)


@in_transaction
def _correct_email(staff: User, member: User, email: str, reason: str) -> None:
    accounts.correct_email(member, email)
    codes.send_by_support(member)
    _write_down(staff, member, Kind.EMAIL, reason)


def may_pause(staff: User, member: User) -> bool:
    """Whether ``staff`` may pause buying for ``member``, or allow it again: never for themselves, and for colleagues
    only who appoints them."""
    return staff.pk != member.pk and (not member.is_staff or staff.has_perm("staff.appoint"))


@in_transaction
def stop_buying(staff: User, member: User, *, reason: str) -> None:
    """Keep a member from buying. Orders that came first stand; none comes after.

    Raises:
        NotForYou: see ``may_pause``.
        NothingToDo: buying is paused already.
    """
    if not may_pause(staff, member):
        raise NotForYou
    ledger.lock(member.pk)
    if not accounts.stop_buying(member):
        raise NothingToDo("Buying is paused already.")
    _write_down(staff, member, Kind.STOPPED, reason)


@in_transaction
def allow_buying(staff: User, member: User, *, reason: str) -> None:
    """Let a member buy again.

    Raises:
        NotForYou: see ``may_pause``.
        NothingToDo: nothing keeps them from it.
    """
    if not may_pause(staff, member):
        raise NotForYou
    if not accounts.allow_buying(member):
        raise NothingToDo("Buying is not paused.")
    _write_down(staff, member, Kind.ALLOWED, reason)


@in_transaction
def remove_factor(staff: User, member: User, *, reason: str) -> None:
    """Take the second factor of a member away who lost it, once support knows that it is them. They are told by mail
    and signed out everywhere.

    Raises:
        NotForYou: nobody removes their own here.
        NothingToDo: they have none.
    """
    if not remove_second_factor(staff, member, reason=mask_cards(reason)):
        raise NothingToDo("This member has no second factor.")
    _write_down(staff, member, Kind.FACTOR, reason)


@in_transaction
def begin_viewing(staff: User, member: User, *, reason: str) -> None:
    """Write down that somebody of our staff looks at the site as this buyer sees it."""
    _write_down(staff, member, Kind.VIEWED, reason)


@in_transaction
def appoint(owner: User, member: User, *, roles: Iterable[str], reason: str) -> None:
    """Give a member exactly these roles of staff; without any they are not of our staff any more. They and every owner
    are told by mail, and who was given a role decides nothing for a day (``core.two_people``): alone, an owner cannot
    be both of the two people that money takes.

    Raises:
        SamePerson: nobody changes their own roles.
        NothingToDo: they have exactly these.
        ValueError: a role that does not exist.
    """
    wanted = set(roles)
    if not wanted <= ROLES.keys():
        raise ValueError("unknown role")
    if owner.pk == member.pk:
        raise SamePerson("Somebody else has to change your roles.")
    present = User.objects.select_for_update(no_key=True).get(pk=member.pk)
    held = set(present.groups.values_list("name", flat=True))
    if wanted == held:
        raise NothingToDo("These are the roles they have. Nothing was changed.")
    present.groups.set(Group.objects.filter(name__in=wanted))
    present.is_staff = bool(wanted) or present.is_superuser
    if wanted - held:
        present.appointed_at = clock.now()
    present.save(update_fields=["is_staff", "appointed_at"])
    _write_down(owner, member, Kind.ROLES, f"{', '.join(sorted(wanted)) or 'none'}: {reason}")
    emails.roles_changed(owner, member, sorted(wanted))


@in_transaction
def approve_adjustment(checker: User, adjustment: Adjustment) -> None:
    """``ledger.adjustments.approve``, and every owner hears of a large one.

    Raises:
        SamePerson, TooNew, AlreadyDecided, NotThatMuch: see there.
    """
    adjustments.approve(checker, adjustment)
    if adjustment.amount_cents >= LARGE:
        emails.large_adjustment(checker, adjustment)
