"""What pages of members share: their requests, their time zone, and the form of one who was signed out meanwhile."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from marketplace.core.links import page_above, safe_next

from .models import User

View = Callable[..., HttpResponse]


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
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.user.is_authenticated else _signed_out(request)

    guarded.is_page = False  # type: ignore[attr-defined]  # for links.page_above
    return guarded


@never_cache
def _signed_out(request: HttpRequest) -> HttpResponse:
    """403: gives the text back and keeps it nowhere; signing in leads to the page on which the form stood."""
    there = safe_next(request, page_above(request.path))
    context = {"text": request.POST.get("text", ""), "there": there}
    return render(request, "accounts/signed_out.html", context, status=403)
