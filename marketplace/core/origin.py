"""The few forms that must work without any cookie are open to everyone but foreign pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse


def refuse_foreign(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse (403) a POST whose Origin header is present and not ours; used together with csrf_exempt."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        origin = request.headers.get("Origin")
        if origin is not None and _host(origin) != request.get_host():
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # "http://[" and its like
        return ""
