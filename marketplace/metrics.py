"""``/metrics`` for Prometheus, a WSGI application of its own: served on a port that only the monitor reaches, by a
gunicorn of its own, so that a site under load can still be asked how it is.

    gunicorn marketplace.metrics --bind 127.0.0.1:9100
"""

import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import django
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
django.setup()

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: E402

from .gauges import registry  # noqa: E402 - models need Django set up

_PLAIN = "text/plain; charset=utf-8"
_registry = registry()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """The gauges at ``/metrics``, 503 while the database is away, and nothing anywhere else."""
    status, kind, body = _answer(environ)
    head = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", head)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _answer(environ: dict[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    if environ["PATH_INFO"] != "/metrics":
        return HTTPStatus.NOT_FOUND, _PLAIN, b"Only /metrics is here.\n"
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, _PLAIN, b"Only to be read.\n"
    close_old_connections()
    try:
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(_registry)
    except DatabaseFailure:
        connection.close()
        return HTTPStatus.SERVICE_UNAVAILABLE, _PLAIN, b"The database is away.\n"
