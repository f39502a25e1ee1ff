"""Middleware that holds on every page."""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import get_resolver
from structlog.contextvars import bound_contextvars

from . import logs
from .ids import new_id
from .links import page_above
from .refusals import Refusal, TooMany, say_when
from .transactions import is_away

log = logs.get("leadfair.requests")
LONGEST_ADDRESS = 4_000  # all filters at once, or fifty leads to buy, are half of that even within another address
_MADE_BY_A_MACHINE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
GetResponse = Callable[[HttpRequest], HttpResponse]


def log_requests(get_response: GetResponse) -> GetResponse:
    """One line a request: method, route name, status, milliseconds. No address, no user, no IP, no agent (LR-12).

    Every line that is logged meanwhile carries the request's id, and so does the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        request_id = _id_of(request)
        with bound_contextvars(request_id=request_id):
            response = get_response(request)
            match = request.resolver_match
            log.info(
                "request",
                method=request.method if request.method in {"GET", "POST", "HEAD", "OPTIONS"} else "other",
                route=(match.view_name or match.route) if match else "",
                status=response.status_code,
                ms=round((time.perf_counter() - start) * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response

    return middleware


def _id_of(request: HttpRequest) -> str:
    """What a proxy of ours called the request, or a new id. Only what looks made by a machine: a telephone number, an
    address or a name in the logs would be somebody's."""
    given = request.headers.get("X-Request-ID", "")
    return given if settings.TRUSTED_PROXY_COUNT and _MADE_BY_A_MACHINE.fullmatch(given) else new_id()


def refuse_long_addresses(get_response: GetResponse) -> GetResponse:
    """414 for an address that no form or link of ours makes: pages repeat it in every link. What is too long for the
    web server in front (8,190 characters of gunicorn's at most) gets that one's own words."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if len(request.get_full_path()) > LONGEST_ADDRESS:
            return static_page(HTTPStatus.REQUEST_URI_TOO_LONG)
        return get_response(request)

    return middleware


def keep_signed_in_pages_private(get_response: GetResponse) -> GetResponse:
    """Pages of a signed-in person are not stored by browsers and proxies: after sign-out, Back shows nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    return middleware


@receiver(got_request_exception)
def log_unhandled(sender: object, **kwargs: object) -> None:
    """What ends as a 500 is logged once: the kind of the exception and the place, never its text (DX-14)."""
    log.error("unhandled", exc_info=sys.exc_info())


def static_page(status: int) -> HttpResponse:
    """The error page of this status that needs neither the template engine nor the database."""
    return HttpResponse((settings.BASE_DIR / "templates" / f"{status}.html").read_text(encoding="utf-8"), status=status)


def database_away() -> HttpResponse:
    """503: the database did not answer, broke off or stayed busy."""
    response = static_page(HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = "10"
    return response


class ContentSecurityPolicy(CSPMiddleware):
    """django-csp, which leaves out every 404 with DEBUG; ours are pages like all others."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response = super().process_response(request, response)
        if response.status_code == HTTPStatus.NOT_FOUND and HEADER not in response:
            response[HEADER] = build_policy(**asdict(self.get_policy_parts(request, response)))
        return response


class answer_refusals:  # noqa: N801 - named like the functions beside it; a class only for process_exception
    """A refusal nobody caught becomes a page with its sentence and status; so do the bare answers of Django."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if type(response) is HttpResponseNotFound:
            # With DEBUG Django answers with a list of all addresses; a demo shows what the site would.
            return get_resolver().resolve_error_handler(404)(request, Http404())  # type: ignore[call-arg]  # django-stubs knows handler500 only
        if isinstance(response, HttpResponseNotAllowed):
            page = render(request, "405.html", {"page": page_above(request.path)}, status=response.status_code)
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if is_away(exception):
            log.error("database away", exc_info=exception)
            return database_away()
        if not isinstance(exception, Refusal):
            return None
        template = "429.html" if isinstance(exception, TooMany) else "refusal.html"
        return say_when(render(request, template, {"refusal": exception}, status=exception.status), exception)
