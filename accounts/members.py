"""What pages of members share: their requests, their time zone, and the form of one who was signed out meanwhile."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from marketplace.core.links import page_above, safe_next
from marketplace.core.sessions import SIGNED_IN_AT

from .models import User

View = Callable[..., HttpResponseBase]
# Secrets, and what the page itself put into the form.
NOT_TYPED = {
    "csrfmiddlewaretoken", "key", "next", "choice", "code", "credential", "again", "action", "undo", "view", "when",
    "format", "terms_sha256", "price_seen",
}  # fmt: skip
# Fields whose names say less than their labels.
CALLED = {"cents": "Amount in dollars", "answer": "Why not", "text": "Note"}


class MemberRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User


def zone_of(member: User) -> ZoneInfo:
    """The zone in which the member's days and times are written: that of their profile, else UTC."""
    return ZoneInfo(member.time_zone or "UTC")


def sent_by_members(view: View) -> View:
    """In place of ``login_required`` and ``require_POST``: an address that takes forms of members and shows no page.

    Whoever signs in from there must not come back to it, and what they typed must not be lost.
    """

    @require_POST
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        there = safe_next(request, page_above(request.path))
        return _signed_out(request, text=request.POST.get("text", ""), there=there)

    guarded.is_page = False  # type: ignore[attr-defined]  # for links.page_above
    return guarded


def shown_to_members(view: View) -> View:
    """In place of ``login_required``: a page of members whose form is sent to the page's own address.

    What somebody typed who was signed out meanwhile is given back instead of being lost without a word.
    """
    page = login_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or request.user.is_authenticated:
            return page(request, *args, **kwargs)
        return _signed_out(request, text=typed(request), there=request.get_full_path())

    return guarded


def confirmed_at(request: HttpRequest) -> float:
    """When password or second factor were given last in this session, in seconds since 1970; 0 if never."""
    records = get_authentication_records(request, request.user)
    return max([request.session.get(SIGNED_IN_AT, 0), *(record["at"] for record in records)])


def recently_confirmed(view: View) -> View:
    """Password or second factor within the last 15 minutes, else they are asked for first: for what must not happen
    behind the member's back. What was typed meanwhile is given back. Inside of whatever asks for signing in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if time.time() - confirmed_at(request) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            return view(request, *args, **kwargs)
        there = f"{reverse('account_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"
        if request.method != "POST":
            return redirect(there)
        return _not_sure(request, there=there)

    return guarded


@never_cache
def _not_sure(request: HttpRequest, *, there: str) -> HttpResponse:
    """403: like ``_signed_out``, for somebody who is signed in but gave no password for a while."""
    return render(request, "accounts/not_sure.html", {"text": typed(request), "there": there}, status=403)


def give_back(request: HttpRequest, *, there: str) -> HttpResponse:
    """What somebody sent to a page that does not open for them now, given back; ``there`` is where to go first."""
    if request.user.is_authenticated:
        return _not_sure(request, there=there)
    return _signed_out(request, text=typed(request), there=request.get_full_path())


def typed(request: HttpRequest) -> str:
    """What the form said, a line for each field that was filled in; no password."""
    return "\n".join(
        f"{CALLED.get(name) or name.replace('_', ' ').capitalize()}: {', '.join(map(str, values))}"
        for name, values in request.POST.lists()
        if any(values) and name not in NOT_TYPED and "password" not in name
    )


@never_cache
def _signed_out(request: HttpRequest, *, text: str, there: str) -> HttpResponse:
    """403: gives the text back and keeps it nowhere; signing in leads to the page on which the form stood."""
    return render(request, "accounts/signed_out.html", {"text": text, "there": there}, status=403)
