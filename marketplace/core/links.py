"""Addresses: absolute ones for mails, receipts and the card processor, and where a form leads back to."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme


class SeeOther(HttpResponseRedirect):
    """Go on with a GET there."""

    status_code = 303


def absolute(name: str, *args: object) -> str:
    """The full address of the view ``name``: always from SITE_URL, never from a Host header."""
    return f"{settings.SITE_URL}{reverse(name, args=args)}"


def safe_next(request: HttpRequest, fallback: str) -> str:
    """The page named in the posted field ``next`` if it is a path of this site, else ``fallback``. Hand it to
    HttpResponseRedirect: ``redirect()`` would take a word for the name of a view."""
    return safe_path(request.POST.get("next", ""), fallback)


def safe_path(there: str, fallback: str) -> str:
    """``there`` if it is a path of this site, else ``fallback``."""
    if not there.startswith("/"):
        return fallback
    try:
        is_ours = url_has_allowed_host_and_scheme(there, allowed_hosts=None)
    except ValueError:  # "//[" and its like are no addresses at all
        return fallback
    return there if is_ours else fallback


def page_above(path: str) -> str:
    """The page on which the form of ``path`` stands, if that address only takes forms: the nearest one above it."""
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        if _shows_a_page(path):
            return path
    return "/"


def _shows_a_page(path: str) -> bool:
    try:
        return getattr(resolve(path).func, "is_page", True)
    except Resolver404:
        return False
