"""How long somebody who met a limit of ACCOUNT_RATE_LIMITS has to wait; allauth says only that there is one."""

import math
import time
from collections.abc import Callable

from allauth.account.internal.flows.email_verification_by_code import EMAIL_VERIFICATION_CODE_SESSION_KEY
from allauth.account.internal.stagekit import unstash_login
from allauth.core.internal.ratelimit import Rate, consume, get_cache_key, get_rates
from django.core.cache import cache
from django.http import HttpRequest

from marketplace.core.refusals import TooMany

from .models import User

APP = "allauth.account"
# Which limits a page asks, by the name of its address.
ASKED = {
    "account_signup": ["signup", "confirm_email"],
    "account_login": ["login", "login_failed", "confirm_email"],
    "account_email_verification_sent": ["confirm_email"],
    "account_reauthenticate": ["reauthenticate", "login_failed"],
    "account_email": ["manage_email", "confirm_email"],
    "account_change_password": ["change_password"],
    "account_reset_password": ["reset_password"],
    "account_complete_password_reset": ["reset_password_from_key"],
    "mfa_authenticate": ["second_factor"],
    "mfa_reauthenticate": ["reauthenticate", "second_factor"],
    "mfa_reauthenticate_webauthn": ["reauthenticate"],
}
UNKNOWN = 60


def count_guess(request: HttpRequest, user: User) -> Callable[[], None]:
    """Count a guess at the second factor of ``user``, wherever it is made; the answer takes this one back when it was
    right. Not all of them, as allauth would: whoever guesses could sign in to an account of their own in between.

    Raises:
        TooMany: too many wrong ones lately; this one is not looked at.
    """
    usage = consume(request, app=APP, action="second_factor", key=_guessed(user))
    if usage is None:
        raise TooMany(seconds_left(request), "Too many codes were wrong.")
    take_back: Callable[[], None] = usage.rollback
    return take_back


def _guessed(user: User) -> str:
    return f"second-factor:{user.public_id}"


def seconds_left(request: HttpRequest) -> int:
    """Seconds until the limit that just refused ``request`` lets it pass."""
    page = request.resolver_match.view_name if request.resolver_match else ""
    rates = [(action, rate) for action in ASKED.get(page, ()) for rate in get_rates(app=APP, action=action)]
    left = [_left(request, action, rate, who) for action, rate in rates for who in _addresses(request)]
    return max([0, *left]) or UNKNOWN


def _left(request: HttpRequest, action: str, rate: Rate, who: str) -> int:
    name = get_cache_key(request, app=APP, action=action, rate=rate, key=who, user=request.user)
    uses: list[float] = cache.get(name, [])  # newest first
    return math.ceil(uses[rate.amount - 1] + rate.duration - time.time()) if len(uses) >= rate.amount else 0


def _addresses(request: HttpRequest) -> set[str]:
    """Whom the request may be about: what was typed, the address whose code is under way, the member, and whoever gave
    their password and not yet the second factor."""
    typed = [request.POST.get(field, "") for field in ("email", "login")]
    waiting = request.session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY, {}).get("email", "")
    half_way = unstash_login(request, peek=True)
    member = half_way.user if half_way else request.user
    guessed = _guessed(member) if isinstance(member, User) else ""
    addresses = (address.strip().lower() for address in (*typed, waiting, getattr(request.user, "email", "")))
    return {*addresses, guessed}
