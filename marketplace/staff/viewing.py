"""Looking at the site as a buyer sees it: reading only, for a quarter of an hour, and nothing sealed is opened."""

import time
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse

from accounts.models import User
from privacy.vault.sealing import closed

LASTS = 15 * 60  # seconds
_WHOM, _UNTIL = "viewing_as", "viewing_until"
PERMISSION = "staff.view_as_buyer"
# What support needs to see. Pages of personal details, files, and those whose looking changes something are not shown.
SHOWN = {
    "home", "how_buying_works", "what_a_lead_shows", "why_trust_a_price", "privacy:terms",
    "leads:catalogue", "leads:lead", "purchases:buy_lead", "purchases:buy_leads",
    "purchases:my_leads", "purchases:my_lead", "purchases:order", "wallet:wallet",
}  # fmt: skip
# The search of My leads finds by a person's whole name or phone, which tells who is among the leads.
_NOT_ASKED = ("q",)


def begin(request: HttpRequest, member: User) -> None:
    """From now on this session sees what ``member`` sees."""
    request.session[_WHOM], request.session[_UNTIL] = member.public_id, int(time.time()) + LASTS


def end(request: HttpRequest) -> str:
    """Back to one's own pages; gives the public id of whom they looked as, "" if of nobody."""
    request.session.pop(_UNTIL, None)
    return str(request.session.pop(_WHOM, ""))


def whom(request: HttpRequest) -> User | None:
    """The member as whom the pages outside of the admin are shown now."""
    if _WHOM not in request.session or time.time() > request.session.get(_UNTIL, 0):
        return None
    return User.objects.filter(public_id=request.session[_WHOM]).first()


def view_as_buyer(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Show the pages outside of the admin as the chosen buyer sees them."""

    def middleware(request: HttpRequest) -> HttpResponse:
        buyer = _buyer(request)
        if buyer is None:
            return get_response(request)
        request.viewing_as = buyer  # type: ignore[attr-defined]
        if request.path == reverse("account_logout"):  # one's own, and so is the way out
            return get_response(request)
        if request.method not in {"GET", "HEAD"} or not _is_shown(request.path):
            return _refused(request)
        asked = request.GET.copy()
        for name in _NOT_ASKED:
            asked.pop(name, None)
        request.GET = asked  # type: ignore[assignment]
        request.user = _masked(buyer)
        with closed():
            response = get_response(request)
        return _refused(request) if response.streaming else response

    return middleware


def _buyer(request: HttpRequest) -> User | None:
    """Whom the session looks as, if it still may."""
    if _WHOM not in request.session or request.path.startswith(reverse("admin:index")):
        return None
    may = request.user.is_authenticated and request.user.is_active and request.user.has_perm(PERMISSION)
    buyer = User.objects.filter(public_id=request.session[_WHOM], is_staff=False).first()
    if not may or buyer is None or time.time() > request.session.get(_UNTIL, 0):
        end(request)
        return None
    return buyer


def _is_shown(path: str) -> bool:
    try:
        return resolve(path).view_name in SHOWN
    except Resolver404:
        return True  # the page that says so


def _masked(buyer: User) -> User:
    """The buyer without what takes a reveal to see; it is never saved, as nothing but reading gets through."""
    buyer.email, buyer.phone, buyer.business_name = "hidden", "", ""
    return buyer


def _refused(request: HttpRequest) -> HttpResponse:
    request.user = _masked(request.viewing_as)  # type: ignore[attr-defined]
    return render(request, "staff/not_shown.html", status=HTTPStatus.FORBIDDEN)
