"""The second factor: an authenticator app, passkeys, and recovery codes for the day on which neither is at hand.

The rows are allauth's, what is in them is ours. Secrets are sealed for their member and kind, so that a row copied from
somebody else does not open. Beside the app's secret stands the last half minute whose code was used: no code works
twice, for however long it would be good. Every verb locks the member first, so that two at once cannot leave recovery
codes without a factor or use one code for two sessions.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import QuerySet

from marketplace.core import logs
from marketplace.core.ids import new_id
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from privacy.vault.sealing import CannotOpen, seal, unseal

from . import emails
from .models import User
from .services import end_sessions

log = logs.get("leadfair.accounts")
Kind = Authenticator.Type
CODES = 10  # recovery codes
MOST_PASSKEYS = 20
_OFFERED = "offered_app_secret"


class AlreadyOn(Refusal):
    """The member has an authenticator app; a second one would make the first useless without a word."""

    message = "You have an authenticator app already. Remove that one first."


class NoFactor(Refusal):
    """Recovery codes stand in for a factor, and there is none."""

    message = "You have no second factor. Add an authenticator app or a passkey first."


class KnownPasskey(Refusal):
    """The same passkey once more."""

    message = "This passkey is on your account already."


class TooManyPasskeys(Refusal):
    """Nobody owns so many."""

    message = f"You have {MOST_PASSKEYS} passkeys. Remove one that you no longer use first."


class StaffNeedOne(Refusal):
    """The last factor of somebody who works here."""

    message = "Our staff need a second factor. Add another one before you remove this one."


class ReasonMissing(Refusal):
    """Staff act with a reason."""

    status = 422
    message = "Please say why."


class NotForYou(Refusal):
    """Whoever may take a factor away may become its owner, as far as it goes."""

    status = 403
    message = "Only an owner can do this for our staff, and nobody for themselves."


@dataclass
class Factors:
    """What a member has, to be shown: no secret is opened for it."""

    app: Authenticator | None = None
    passkeys: list[Authenticator] = field(default_factory=list)
    codes: Authenticator | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.app or self.passkeys)

    @property
    def last_used(self) -> datetime | None:
        rows = [self.app, self.codes, *self.passkeys]
        return max((row.last_used_at for row in rows if row and row.last_used_at), default=None)


def of(user: User) -> Factors:
    """What the member has."""
    found = Factors()
    for row in Authenticator.objects.filter(user_id=user.pk).order_by("pk"):
        if row.type == Kind.WEBAUTHN:
            found.passkeys.append(row)
        elif row.type == Kind.TOTP:
            found.app = row
        else:
            found.codes = row
    return found


def has_second_factor(user: User) -> bool:
    """Whether the member has an authenticator app or a passkey."""
    return _keys_of(user).exists()


def _keys_of(user: User) -> QuerySet[Authenticator]:
    return Authenticator.objects.filter(user_id=user.pk, type__in=(Kind.TOTP, Kind.WEBAUTHN))


def _lock(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def place_of(row: Authenticator) -> str:
    """What the secret of ``row`` is bound to. A member has one row of each kind that holds a secret."""
    return f"mfa_authenticator|{row.type}|{row.user.public_id}"


def member_of(row: Authenticator) -> str:
    """The public id by which ``row`` is named."""
    return row.user.public_id


def _opened(row: Authenticator) -> dict[str, Any]:
    """What is sealed in ``row``; nothing if it does not open, so that it fits no code."""
    try:
        return unseal(row.data["sealed"], place_of(row))
    except CannotOpen:
        log.error("second factor does not open", member=row.user.public_id, kind=row.type)
        return {}


def _make(member: User, kind: str, secret: dict[str, Any], **beside: Any) -> None:
    row = Authenticator(user=member, type=kind)
    row.data = {"sealed": seal(secret, place_of(row))} | beside
    row.save()


# --- the authenticator app --------------------------------------------------------------------------------------------


def offered_secret(session: SessionBase, user: User) -> str:
    """The secret of an app that is being set up in this session. It stays the same while that lasts: who loads the page
    again has scanned the old picture. Sealed, for sessions are readable to whoever reads the database."""
    place = f"session|{_OFFERED}|{user.public_id}"
    try:
        secret: str = unseal(session.get(_OFFERED, ""), place)["secret"]
    except CannotOpen:
        secret = generate_totp_secret()
        session[_OFFERED] = seal({"secret": secret}, place)
    return secret


def forget_offered_secret(session: SessionBase) -> None:
    """It is in use or was given up."""
    session.pop(_OFFERED, None)


def step_of(secret: str, code: str) -> int | None:
    """The half minute since 1970 whose code this is, if it is now, the one before or the one after; else None. Clocks
    differ by some seconds."""
    for step in yield_hotp_counters_from_time():
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            return step
    return None


@in_transaction
def add_app(user: User, secret: str, *, step: int) -> bool:
    """Switch the app with ``secret`` on, which just showed the code of ``step``; that code is used up. Returns whether
    recovery codes were made along with it.

    Raises:
        AlreadyOn: there is one.
    """
    member = _lock(user)
    if _keys_of(member).filter(type=Kind.TOTP).exists():
        raise AlreadyOn
    _make(member, Kind.TOTP, {"secret": secret}, last_step=step)
    return _added(user, member, "an authenticator app")


def _added(user: User, member: User, what: str) -> bool:
    emails.second_factor_added(member, what=what)
    _sign_out_elsewhere(user, member)
    if Authenticator.objects.filter(user=member, type=Kind.RECOVERY_CODES).exists():
        return False
    _make(member, Kind.RECOVERY_CODES, {"codes": _fresh_codes()})
    return True


def _sign_out_elsewhere(user: User, member: User) -> None:
    """Sessions that were begun without this factor, or with one that was lost, end. ``user`` learns it, so that the
    present session can be given the new hash."""
    end_sessions(member)
    user.sessions_ended = member.sessions_ended


# --- passkeys ---------------------------------------------------------------------------------------------------------


def passkey(user: User, public_id: str) -> Authenticator | None:
    """The member's passkey of that public id."""
    return Authenticator.objects.filter(user_id=user.pk, type=Kind.WEBAUTHN, data__public_id=public_id).first()


@in_transaction
def add_passkey(user: User, credential: dict[str, Any], *, name: str) -> bool:
    """Keep a passkey that the browser made; returns whether recovery codes were made along with it.

    Raises:
        KnownPasskey, TooManyPasskeys: nothing was added.
    """
    member = _lock(user)
    passkeys = _keys_of(member).filter(type=Kind.WEBAUTHN)
    if passkeys.filter(data__credential__id=credential["id"]).exists():
        raise KnownPasskey
    if passkeys.count() >= MOST_PASSKEYS:
        raise TooManyPasskeys
    data = {"public_id": new_id(), "name": name, "credential": credential}
    Authenticator.objects.create(user=member, type=Kind.WEBAUTHN, data=data)
    return _added(user, member, "a passkey")


@in_transaction
def rename_passkey(user: User, row: Authenticator, name: str) -> None:
    """Call a passkey something else."""
    _lock(user)
    for present in _keys_of(user).filter(pk=row.pk):
        present.data["name"] = name
        present.save(update_fields=["data"])


# --- recovery codes ---------------------------------------------------------------------------------------------------


def _fresh_codes() -> list[str]:
    return [f"{secrets.randbelow(10**8):08}" for _ in range(CODES)]


def recovery_codes(row: Authenticator) -> list[str]:
    """Those that were not used yet."""
    codes: list[str] = _opened(row).get("codes", [])
    return codes


@in_transaction
def renew_recovery_codes(user: User) -> None:
    """Make all of them anew; the old ones no longer work.

    Raises:
        NoFactor: there is nothing that they could stand in for.
    """
    member = _lock(user)
    if not has_second_factor(member):
        raise NoFactor
    Authenticator.objects.filter(user=member, type=Kind.RECOVERY_CODES).delete()
    _make(member, Kind.RECOVERY_CODES, {"codes": _fresh_codes()})
    emails.recovery_codes_made(member)


# --- using and removing -----------------------------------------------------------------------------------------------


@in_transaction
def use_code(user: User, code: str) -> Authenticator | None:
    """Use up a code of the app or a recovery code; the row it belongs to, or None if it is no good or was used."""
    _lock(user)
    rows = Authenticator.objects.select_related("user").filter(user_id=user.pk).exclude(type=Kind.WEBAUTHN)
    for row in rows.select_for_update(no_key=True, of=("self",)):  # the rotation of keys writes them, too
        if _uses_up_step(row, code) if row.type == Kind.TOTP else _uses_up_recovery_code(row, code):
            return row
    return None


def _uses_up_step(row: Authenticator, code: str) -> bool:
    secret = _opened(row).get("secret")
    step = step_of(secret, code) if secret else None
    if step is None or step <= row.data["last_step"]:
        return False
    row.data["last_step"] = step
    row.save(update_fields=["data"])
    return True


def _uses_up_recovery_code(row: Authenticator, code: str) -> bool:
    codes = recovery_codes(row)
    left = [one for one in codes if not compare_user_code(actual=code, expected=one)]
    if len(left) == len(codes):
        return False
    row.data["sealed"] = seal({"codes": left}, place_of(row))
    row.save(update_fields=["data"])
    emails.recovery_code_used(row.user, left=len(left))
    return True


def is_last(user: User, row: Authenticator) -> bool:
    """Whether the member would have no second factor without ``row``."""
    return not _keys_of(user).exclude(pk=row.pk).exists()


@in_transaction
def remove(user: User, row: Authenticator) -> None:
    """Take an app or a passkey away; with the last of them go the recovery codes. What is gone already stays gone.

    Raises:
        StaffNeedOne: the last factor of our staff.
    """
    member = _lock(user)
    last = is_last(member, row)
    if last and member.is_staff and settings.STAFF_SECOND_FACTOR:
        raise StaffNeedOne
    if not _keys_of(member).filter(pk=row.pk).delete()[0]:
        return
    if last:
        Authenticator.objects.filter(user=member).delete()
    what = "the authenticator app" if row.type == Kind.TOTP else "a passkey"
    emails.second_factor_removed(member, what=what, is_off=last)
    _sign_out_elsewhere(user, member)


@in_transaction
def remove_second_factor(staff: User, member: User, *, reason: str) -> bool:
    """Take everything away from a member who lost it all and wrote to us; they are signed out everywhere and get a
    mail with the reason. Returns whether there was anything. The caller keeps the record of who did it and why.

    Raises:
        ReasonMissing: ``reason`` is blank.
        NotForYou: the member is of our staff and ``staff`` no owner, or both are the same.
    """
    if not reason.strip():
        raise ReasonMissing
    present = _lock(member)
    if present.pk == staff.pk or (present.is_staff and not staff.has_perm("staff.remove_factor")):
        raise NotForYou
    if not Authenticator.objects.filter(user=present).delete()[0]:
        return False
    emails.second_factor_removed_by_us(present, reason=reason.strip())
    _sign_out_elsewhere(member, present)
    return True
