"""How long somebody who met a limit of ACCOUNT_RATE_LIMITS has to wait; allauth says only that there is one."""

import math
import time

from allauth.account.internal.flows.email_verification_by_code import EMAIL_VERIFICATION_CODE_SESSION_KEY
from allauth.core.internal.ratelimit import Rate, get_cache_key, get_rates
from django.core.cache import cache
from django.http import HttpRequest

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
}
UNKNOWN = 60


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
    """Whom the request may be about: what was typed, the address whose code is under way, the member."""
    typed = [request.POST.get(field, "") for field in ("email", "login")]
    waiting = request.session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY, {}).get("email", "")
    return {address.strip().lower() for address in (*typed, waiting, getattr(request.user, "email", ""))}
