"""Middleware that holds on every page."""

import sys
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from . import logs
from .refusals import Refusal

log = logs.get("leadfair.requests")
GetResponse = Callable[[HttpRequest], HttpResponse]


def log_requests(get_response: GetResponse) -> GetResponse:
    """One line a request: method, route name, status, milliseconds. No address, no user, no IP, no agent (LR-12)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        response = get_response(request)
        match = request.resolver_match
        log.info(
            "request",
            method=request.method if request.method in {"GET", "POST", "HEAD", "OPTIONS"} else "other",
            route=(match.view_name or match.route) if match else "",
            status=response.status_code,
            ms=round((time.perf_counter() - start) * 1000, 1),
        )
        return response

    return middleware


def keep_signed_in_pages_private(get_response: GetResponse) -> GetResponse:
    """Pages of a signed-in person are not stored by browsers and proxies: the back button after sign-out shows nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    return middleware


class answer_refusals:  # noqa: N801 - named like the functions beside it; a class only for process_exception
    """A refusal nobody caught becomes a page with its sentence and status; other exceptions are logged without text."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Refusal):
            log.error("unhandled", exc_info=sys.exc_info())
            return None
        response = render(request, "refusal.html", {"refusal": exception}, status=exception.status)
        if exception.retry_after is not None:
            response["Retry-After"] = str(exception.retry_after)
        return response
