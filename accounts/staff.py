"""What the admin asks about whoever is at it: their second factor, how fresh the session is, and that it is them still.

The admin site asks ``way_in`` at each request and says ``note_use`` when it lets somebody through; what moves money
carries ``recently_confirmed`` as well.
"""

import time

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from .factors import has_second_factor
from .members import confirmed_at, give_back, recently_confirmed
from .services import end_sessions

__all__ = [
    "end_sessions",
    "give_back",
    "has_second_factor",
    "note_use",
    "passed_second_factor",
    "recently_confirmed",
    "session_is_fresh",
    "way_in",
]

A_DAY_AT_WORK = 8 * 3600  # seconds from signing in, or from giving password or factor again
A_BREAK = 30 * 60  # seconds without use of the admin
_USED_AT = "admin_used_at"  # seconds since 1970, to the minute


def passed_second_factor(request: HttpRequest) -> bool:
    """Whether a second factor was used in this session, to sign in or to confirm."""
    return any(record["method"] == "mfa" for record in get_authentication_records(request, request.user))


def session_is_fresh(request: HttpRequest) -> bool:
    """Whether the session may go on in the admin: for 8 hours from the last time that password or factor were given,
    and 30 minutes from the last use."""
    now, given = time.time(), confirmed_at(request)
    return now - given < A_DAY_AT_WORK and now - max(given, request.session.get(_USED_AT, 0)) < A_BREAK


def note_use(request: HttpRequest) -> None:
    """The admin is in use; written once a minute at most."""
    now = int(time.time())
    if now - request.session.get(_USED_AT, 0) >= 60:
        request.session[_USED_AT] = now


def way_in(request: HttpRequest) -> str | None:
    """Where a signed-in member of staff has to go before the admin opens, with the way back; None if it is open.

    With STAFF_SECOND_FACTOR off (only with DEBUG) those without a second factor get in; who has one must use it.
    """
    if has_second_factor(request.user):  # type: ignore[arg-type]
        if not passed_second_factor(request):
            return _by_way_of("mfa_reauthenticate", request)
    elif settings.STAFF_SECOND_FACTOR:
        return reverse("mfa_index")
    return None if session_is_fresh(request) else _by_way_of("account_reauthenticate", request)


def _by_way_of(name: str, request: HttpRequest) -> str:
    return f"{reverse(name)}?{urlencode({'next': request.get_full_path()})}"
