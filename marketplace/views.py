"""The home page, health, the colour scheme, error pages, and the demo's mailbox."""

import email
import email.policy
import re
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.services import choose_theme as keep_theme
from marketplace.core import clock, heartbeat
from marketplace.core.context import THEMES
from marketplace.core.origin import refuse_foreign
from marketplace.leads.models import Lead, Vertical
from marketplace.wallet.models import MINIMUM_CENTS

A_YEAR = 365 * 24 * 3600


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What Leadfair is, with three real leads (masked, like everywhere) and live figures."""
    leads = Lead.objects.on_sale().select_related("vertical", "supplier").order_by("-listed_at", "-id")[:3]
    fresh = Lead.objects.on_sale().filter(listed_at__gte=clock.now() - timedelta(days=1))[:1000].count()
    verticals = Vertical.objects.all()
    context = {"leads": leads, "fresh": fresh, "verticals": verticals, "minimum_deposit": MINIMUM_CENTS}
    return render(request, "home.html", context)


@csrf_exempt
@require_POST
@refuse_foreign
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the colour scheme in the profile, or for visitors in the one cookie named ``theme``; back to where you were."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        return HttpResponseBadRequest("Unknown colour scheme.", content_type="text/plain")
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = reverse("home")
    response = redirect(back)
    if request.user.is_authenticated:
        keep_theme(request.user, theme)
    elif theme == "system":
        response.delete_cookie("theme")
    else:
        response.set_cookie(
            "theme", theme, max_age=A_YEAR, secure=not settings.DEBUG, httponly=True, samesite="Lax"
        )
    return response


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """One word: ``ready``, ``degraded`` (works, but Redis is away) or ``unready`` (503). No internals."""
    try:
        heartbeat.beat()
        is_ready = heartbeat.migrations_applied()
    except DatabaseError:
        is_ready = False
    if not is_ready:
        return HttpResponse("unready", status=503, content_type="text/plain")
    return HttpResponse("ready" if heartbeat.redis_answers() else "degraded", content_type="text/plain")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """What search engines may read: nothing behind sign-in."""
    closed = ["/admin/", "/account", "/wallet/", "/my-leads/", "/demo/"]
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: says what may have happened and where to go on."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a static page that needs no database."""
    return HttpResponse((settings.BASE_DIR / "templates" / "500.html").read_text(), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was open too long, or came from elsewhere. Nothing happened."""
    return render(request, "403_csrf.html", status=403)


# --- the demo only (not routed without DEBUG) -------------------------------------------------------------------------

_MESSAGE_NAME = re.compile(r"[A-Za-z0-9_-]+\.eml")
SHOWN = 100


def _read(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    return message


@require_GET
def demo_mailbox(request: HttpRequest) -> HttpResponse:
    """Every mail the demo sent, newest first."""
    files = sorted(settings.MAIL_FILES.glob("*.eml"), reverse=True)[:SHOWN]
    mails = [{"name": path.name, "message": _read(path)} for path in files]
    return render(request, "demo_mailbox.html", {"mails": mails})


@require_GET
def demo_message(request: HttpRequest, name: str) -> HttpResponse:
    """One mail of the demo, as text."""
    path = settings.MAIL_FILES / name
    if not _MESSAGE_NAME.fullmatch(name) or not path.is_file():
        raise Http404
    message = _read(path)
    body = message.get_body(("plain",))
    context = {"message": message, "text": body.get_content() if body else ""}
    return render(request, "demo_message.html", context)
