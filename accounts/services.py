"""What happens to an account."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.refusals import Refusal
from privacy.policy.models import PolicyVersion
from privacy.policy.services import accept

from . import emails
from .models import User


class NotVerified(Refusal):
    """The member has not proved to read their email yet (AL-07)."""

    status = 403
    message = "Please confirm your email address first. We sent you a code."


class NotAllowed(Refusal):
    """The account is switched off."""

    status = 403
    message = "This account is closed."


class HandleTaken(Refusal):
    """Somebody took the handle a moment ago."""

    message = "Somebody took this name a moment ago. Please choose another."


class ChangedMeanwhile(Refusal):
    """Password or email became another one while a form about them was open."""

    message = "Your account was changed a moment ago in another window. Nothing was changed here."


@transaction.atomic
def register(user: User, *, terms: PolicyVersion, terms_sha256: str) -> None:
    """Save a new member who agreed to ``terms`` and said to be 18 or older (LR-34), on the sign-up form.

    Raises:
        StaleText: the form was shown with another text.
        IntegrityError: somebody signed up with the email a moment ago.
    """
    user.adult_stated_at = clock.now()
    user.save()
    accept(user, terms, sha256=terms_sha256, surface="accounts:signup")


PROFILE = ("handle", "business_name", "phone", "preferred_channel", "licensed_states", "time_zone")


def change_profile(user: User) -> None:
    """Save what the member changed in the profile, and those columns only: the rest of the row may be newer than ours.

    Raises:
        HandleTaken: somebody took the handle since the form looked.
    """
    try:
        with transaction.atomic():
            user.save(update_fields=PROFILE)
    except IntegrityError as error:
        raise HandleTaken from error


def set_password(user: User, password: str) -> None:
    """Give the member a new password and queue the mail that says so: both or neither.

    Only the password is written: a whole row saved from here could undo what another request just wrote.

    Raises:
        ChangedMeanwhile: the account no longer has the password and email with which ``user`` was read.
    """
    hashed = make_password(password)  # takes long, so no lock is held meanwhile
    with transaction.atomic():
        present = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if (present.password, present.email) != (user.password, user.email):
            raise ChangedMeanwhile
        user.password = hashed
        user.save(update_fields=["password"])
        emails.password_changed(user)


def end_sessions(user: User) -> None:
    """Sign the member out everywhere. Whoever calls this for a session that shall go on gives it the member's new
    hash (``update_session_auth_hash``)."""
    User.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
    user.refresh_from_db(fields=["sessions_ended"])


def mark_verified(user: User) -> bool:
    """The member proved to read their email, and from now on has the handle; returns False if it had to be altered
    because somebody else was faster."""
    user.email_verified_at = clock.now()
    try:
        with transaction.atomic():
            user.save(update_fields=["email_verified_at"])
    except IntegrityError:
        user.handle = f"{user.handle[:19]}-{new_id()[:4]}"
        user.save(update_fields=["email_verified_at", "handle"])
        return False
    return True


def require_verified(user: User) -> None:
    """Pass only members who may put money in and buy (AL-07).

    Raises:
        NotAllowed: the account is switched off.
        NotVerified: the email is not proved.
    """
    if not user.is_active:
        raise NotAllowed
    if not user.is_verified:
        raise NotVerified


class EmailTaken(Refusal):
    """Another account has the address."""

    message = "Another account has this address. Nothing was changed."


class EmailProved(Refusal):
    """Who proved their email changes it themselves."""

    message = "This member has proved their email address. They change it themselves, with a code to the new one."


class SameEmail(Refusal):
    """Nothing is mistyped."""

    message = "That is the address of this account already. To send a code again, use \u201cSend a new code\u201d."


def correct_email(member: User, email: str) -> None:
    """Give a member who mistyped their address at sign-up the right one. Codes sent to the wrong one no longer work.

    Raises:
        EmailProved: the present address is proved; then only its owner may leave it (AL-49).
        SameEmail: it is ``email`` already.
        EmailTaken: another account has ``email``.
    """
    try:
        with transaction.atomic():
            present = User.objects.select_for_update(no_key=True).get(pk=member.pk)
            if present.is_verified:
                raise EmailProved
            if present.email == email.lower():
                raise SameEmail
            present.email = email.lower()
            present.save(update_fields=["email"])
            EmailAddress.objects.filter(user=present).delete()
            EmailAddress.objects.create(user=present, email=present.email, verified=False, primary=True)
    except IntegrityError as error:
        raise EmailTaken from error
    member.email = present.email


def stop_buying(member: User) -> bool:
    """Keep the member from buying until it is allowed again; returns False if that was so already. The caller holds the
    lock of the member's accounts (``ledger.lock``), so that no order slips through."""
    stopped = User.objects.filter(pk=member.pk, buying_stopped_at=None).update(buying_stopped_at=clock.now())
    if stopped:
        emails.buying_stopped(member)
    return bool(stopped)


def allow_buying(member: User) -> bool:
    """Let the member buy again; returns False if nothing kept them from it."""
    allowed = User.objects.filter(pk=member.pk, buying_stopped_at__isnull=False).update(buying_stopped_at=None)
    if allowed:
        emails.buying_allowed(member)
    return bool(allowed)


def mark_as_buyer(user_id: int, *, at: datetime) -> None:
    """Remember when the member bought for the first time; later purchases change nothing."""
    User.objects.filter(pk=user_id, first_purchase_at=None).update(first_purchase_at=at)


def choose_theme(user: User, theme: str) -> None:
    """Keep the member's colour scheme."""
    User.objects.filter(pk=user.pk).update(theme=User.Theme(theme))


def send_code(user: User, code: str, *, to: str) -> None:
    """Send a verification code to ``to``. The first of an account is the welcome mail, later ones are plain (AL-35)."""
    if user.email_verified_at is None and not emails.was_welcomed(user):
        emails.welcome(user, code=code)
    else:
        emails.verification(user, code=code, to=to)
