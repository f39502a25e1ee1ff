"""A code that support sends on request: it proves an email in any browser, not only in the one that signed up."""

from datetime import timedelta
from hmac import compare_digest

from allauth.account.models import EmailAddress
from django.db.models import F

from marketplace.core import clock
from marketplace.core.refusals import Refusal
from marketplace.core.throttle import throttle
from marketplace.core.transactions import in_transaction
from privacy.vault.digests import digest, digests

from . import emails, services
from .adapter import AccountAdapter
from .models import SupportCode, User

LIFETIME = timedelta(minutes=emails.SUPPORT_CODE_MINUTES)
TRIES = 3


class AlreadyVerified(Refusal):
    """There is nothing left to prove."""

    message = "This member has proved their email address already. Nothing was sent."


class WrongCode(Refusal):
    """No such email, no code, an old one, or other digits: which of them is not told."""

    status = 422
    message = "Email and code do not match, or the code is too old. Check both, or ask us for a new code."


def count_by_support(member: User) -> None:
    """One more code that support sends ``member``; before the transaction that sends it.

    Raises:
        TooMany: more than 5 an hour.
    """
    throttle("support-code", member.public_id, limit=5, seconds=3600)


@in_transaction
def send_by_support(member: User) -> None:
    """Mail ``member`` a new code; an earlier one no longer works (AL-36: single use).

    Raises:
        AlreadyVerified: the email is proved.
    """
    present = User.objects.select_for_update(no_key=True).get(pk=member.pk)
    if present.is_verified:
        raise AlreadyVerified
    code = AccountAdapter().generate_email_verification_code()
    SupportCode.objects.update_or_create(
        user=present,
        defaults={"digest": digest("code", _said(present, code)), "sent_at": clock.now(), "tries_left": TRIES},
    )
    emails.code_from_support(present, code=code)


def confirm(email: str, code: str) -> User:
    """Take ``code`` (digits only) as proof that the member of ``email`` reads their mail; returns the member, whose
    handle may have been altered (see ``services.mark_verified``). A wrong code uses up one of three tries.

    Raises:
        TooMany: more than 5 tries for an email in 5 minutes.
        WrongCode: nothing was proved.
    """
    throttle("confirm-by-code", email.lower(), limit=5, seconds=300)
    member = _confirmed(email.lower(), code)
    if member is None:
        raise WrongCode
    return member


@in_transaction
def _confirmed(email: str, code: str) -> User | None:
    member = User.objects.select_for_update(no_key=True).filter(email=email, email_verified_at=None).first()
    if member is None or not _uses_up(member, code):
        return None
    EmailAddress.objects.update_or_create(user=member, email=member.email, defaults={"verified": True, "primary": True})
    services.mark_verified(member)
    return member


def _said(member: User, code: str) -> str:
    return f"{member.public_id}|{member.email}|{code}"


def _uses_up(member: User, code: str) -> bool:
    """Whether ``code`` is the one that was sent. Right or wrong, it uses up a try; a right one uses up all."""
    live = SupportCode.objects.filter(user=member, tries_left__gt=0, sent_at__gt=clock.now() - LIFETIME)
    sent = live.first()
    if sent is None:
        return False
    is_right = any(compare_digest(sent.digest, one) for one in digests("code", _said(member, code)))
    live.update(tries_left=0 if is_right else F("tries_left") - 1)
    return is_right
