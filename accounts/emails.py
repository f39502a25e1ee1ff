"""Every mail the accounts room sends: one function, three templates, one key and one category each."""

from django.conf import settings
from django.db import transaction

from marketplace.core.ids import new_id
from marketplace.core.links import absolute
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send

from .models import User

CODE_MINUTES = settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT // 60
SUPPORT_CODE_MINUTES = 30
RESET_CODE_MINUTES = settings.ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT // 60


def _welcome_key(user: User) -> str:
    return f"welcome:{user.public_id}"


def was_welcomed(user: User) -> bool:
    """Whether the welcome mail of this sign-up is queued or sent."""
    return OutgoingEmail.objects.filter(key=_welcome_key(user)).exists()


def welcome(user: User, *, code: str) -> None:
    """The one welcome mail of a sign-up, with a single-use code and never a password (AL-35, AL-36)."""
    send(
        user,
        category=Category.VERIFICATION,
        template="accounts/email/welcome",
        context={"code": code, "minutes": CODE_MINUTES},
        key=_welcome_key(user),
    )


def verification(user: User, *, code: str, to: str) -> None:
    """A single-use code for ``to``: a repeated one, or one for a new address."""
    send(
        user,
        category=Category.VERIFICATION,
        template="accounts/email/verification",
        context={"code": code, "minutes": CODE_MINUTES},
        key=f"verification:{new_id()}",
        to=to,
    )


def account_exists(user: User) -> None:
    """Somebody signed up with an address that has an account; only its owner learns it (no enumeration)."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/account_exists",
        context={"login_url": absolute("account_login"), "reset_url": absolute("account_reset_password")},
        key=f"account-exists:{new_id()}",
    )


def reset_code(user: User, *, code: str) -> None:
    """A single-use code for a new password."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/reset_code",
        context={"code": code, "minutes": RESET_CODE_MINUTES},
        key=f"reset-code:{new_id()}",
    )


@transaction.atomic
def reset_code_for_nobody(*, code: str) -> None:
    """The work of ``reset_code`` when an address has no account: written and taken back at once, so that the time of
    an answer does not tell whether there is one."""
    key = f"reset-code:{new_id()}"
    send(
        None,
        category=Category.SECURITY,
        template="accounts/email/reset_code",
        context={"code": code, "minutes": RESET_CODE_MINUTES},
        key=key,
    )
    OutgoingEmail.objects.filter(key=key).delete()


def password_changed(user: User) -> None:
    """The password is a new one. Without the IP and browser that allauth would print (AL-30)."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/password_changed",
        context={"reset_url": absolute("account_reset_password")},
        key=f"password-changed:{new_id()}",
    )


def email_changed(user: User, *, old: str) -> None:
    """Tell the old address that the account has a new one (AL-49)."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/email_changed",
        context={},
        key=f"email-changed:{new_id()}",
        to=old,
    )


def code_from_support(user: User, *, code: str) -> None:
    """A single-use code that support was asked for, with the page that takes it."""
    send(
        user,
        category=Category.VERIFICATION,
        template="accounts/email/code_from_support",
        context={"code": code, "minutes": SUPPORT_CODE_MINUTES, "url": absolute("accounts:confirm_by_code")},
        key=f"support-code:{new_id()}",
    )


def buying_stopped(user: User) -> None:
    """Our staff keep the member from buying for now."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/buying_stopped",
        context={},
        key=f"buying-stopped:{new_id()}",
    )


def buying_allowed(user: User) -> None:
    """The member may buy again."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/buying_allowed",
        context={"url": absolute("leads:catalogue")},
        key=f"buying-allowed:{new_id()}",
    )


def second_factor_added(user: User, *, what: str) -> None:
    """Signing in asks for ``what`` as well from now on."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/second_factor_added",
        context={"what": what, "url": absolute("mfa_index")},
        key=f"second-factor-added:{new_id()}",
    )


def second_factor_removed(user: User, *, what: str, is_off: bool) -> None:
    """Signing in asks no longer for ``what``; ``is_off``: for the password alone."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/second_factor_removed",
        context={"what": what, "is_off": is_off, "url": absolute("mfa_index")},
        key=f"second-factor-removed:{new_id()}",
    )


def second_factor_removed_by_us(user: User, *, reason: str) -> None:
    """Our staff took the second factor away, for ``reason``."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/second_factor_removed_by_us",
        context={"reason": reason, "url": absolute("account_login")},
        key=f"second-factor-removed-by-us:{new_id()}",
    )


def recovery_codes_made(user: User) -> None:
    """There are new recovery codes, and the old ones no longer work."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/recovery_codes_made",
        context={"url": absolute("mfa_view_recovery_codes")},
        key=f"recovery-codes-made:{new_id()}",
    )


def recovery_code_used(user: User, *, left: int) -> None:
    """One of the recovery codes was used; ``left`` remain."""
    send(
        user,
        category=Category.SECURITY,
        template="accounts/email/recovery_code_used",
        context={"left": left, "url": absolute("mfa_view_recovery_codes")},
        key=f"recovery-code-used:{new_id()}",
    )
