"""The home page, help, the component sheet, health, the colour scheme, error pages, and the demo's mailbox."""

import email
import email.policy
import re
import sys
from datetime import UTC, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseFailure
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts.limits import seconds_left
from accounts.members import typed
from accounts.services import choose_theme as keep_theme
from marketplace.core import clock, heartbeat
from marketplace.core.context import THEMES
from marketplace.core.links import absolute, safe_next
from marketplace.core.middleware import database_away, static_page
from marketplace.core.origin import refuse_foreign
from marketplace.core.refusals import TooMany
from marketplace.core.transactions import is_away
from marketplace.leads import pricing
from marketplace.leads.facets import COUNTED, counted_before
from marketplace.leads.models import Lead, Vertical
from marketplace.mail.models import OutgoingEmail
from marketplace.staff.views.pages import admin_refused
from marketplace.wallet import gateway
from marketplace.wallet.models import MAXIMUM_CENTS, MINIMUM_CENTS, EventCursor

from .kit import samples

A_YEAR = 365 * 24 * 3600
MAIL_IS_LATE = timedelta(minutes=5)  # no worker looks for what is due
SWEEP_IS_LATE = timedelta(minutes=30)  # three sweeps in a row could not ask the card processor


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What Leadfair is, with three real leads (masked, like everywhere) and live figures."""
    on_sale = Lead.objects.on_sale()
    context = {
        "leads": on_sale.select_related("vertical").order_by("-listed_at", "-id")[:3],
        "on_sale": on_sale_now.said if (on_sale_now := counted_before({})) else _counted(on_sale),
        "listed_today": _counted(on_sale.filter(listed_at__gte=clock.now() - timedelta(days=1))),
        "verticals": Vertical.objects.all(),
        "minimum_deposit": MINIMUM_CENTS,
    }
    return render(request, "home.html", context)


def _counted(leads: QuerySet[Lead]) -> str:
    """The number of ``leads`` as people write it, ``"1,000+"`` when there are more."""
    number = leads[: COUNTED + 1].count()
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


HELP = {
    "how_buying_works": "How buying works",
    "what_a_lead_shows": "What a lead shows",
    "why_trust_a_price": "Why you can trust a price",
}


def _help(request: HttpRequest, name: str, **context: object) -> HttpResponse:
    others = [(other, title) for other, title in HELP.items() if other != name]
    return render(request, f"{name}.html", {"heading": HELP[name], "others": others, **context})


@require_safe
def how_buying_works(request: HttpRequest) -> HttpResponse:
    """From signing up to the contact."""
    return _help(request, "how_buying_works", minimum=MINIMUM_CENTS, maximum=MAXIMUM_CENTS)


@require_safe
def what_a_lead_shows(request: HttpRequest) -> HttpResponse:
    """What is seen before buying and after."""
    return _help(request, "what_a_lead_shows")


@require_safe
def why_trust_a_price(request: HttpRequest) -> HttpResponse:
    """How prices are made, from the very figures that make them."""
    verticals = list(Vertical.objects.all())
    factors = [vertical.exclusive_percent for vertical in verticals] or [100]
    return _help(
        request,
        "why_trust_a_price",
        verticals=verticals,
        points=pricing.POINTS,
        bands=pricing.AGE_BANDS,
        floor=pricing.MINIMUM_CENTS,
        least_exclusive=min(factors),
        most_exclusive=max(factors),
    )


@require_safe
def kit(request: HttpRequest) -> HttpResponse:
    """Every component of the site on one sheet, for staff; for everybody else it does not exist."""
    if not request.user.is_staff:
        raise Http404
    return render(request, "kit.html", samples())


@csrf_exempt
@require_POST
@refuse_foreign
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the colour scheme in the profile, or for visitors in the one cookie ``theme``; back to where you were."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        return HttpResponse("Unknown colour scheme.", status=422, content_type="text/plain")
    response = HttpResponseRedirect(safe_next(request, reverse("home")))
    if request.user.is_authenticated:
        keep_theme(request.user, theme)
    elif theme == "system":
        response.delete_cookie("theme")
    else:
        response.set_cookie("theme", theme, max_age=A_YEAR, secure=not settings.DEBUG, httponly=True, samesite="Lax")
    return response


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """One word: ``ready``, ``degraded`` (works, but Redis, the mail server or the card processor does not answer) or
    ``unready`` (503). No internals."""
    try:
        heartbeat.beat()
        state = ("degraded" if _lacks_help() else "ready") if heartbeat.migrations_applied() else "unready"
    except DatabaseFailure:
        state = "unready"
    return HttpResponse(state, status=503 if state == "unready" else 200, content_type="text/plain")


def _lacks_help() -> bool:
    """Whether something the site can do without for a while is away. Mail server and card processor are asked for a
    connection, and judged by what the jobs got done: a server may be there and take nothing."""
    now = clock.now()
    never_tried = OutgoingEmail.objects.filter(state=OutgoingEmail.State.QUEUED, attempts=0)
    return (
        not heartbeat.redis_answers()
        or bool(settings.EMAIL_URL and not heartbeat.listens(settings.EMAIL_HOST, settings.EMAIL_PORT))
        or not heartbeat.listens(*gateway.address())
        or OutgoingEmail.objects.waiting_for_server().exists()
        or never_tried.filter(created_at__lt=now - MAIL_IS_LATE).exists()
        or EventCursor.objects.filter(read_until__lt=now - SWEEP_IS_LATE).exists()
    )


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """What search engines may read: nothing behind sign-in."""
    closed = ["/admin/", "/account", "/wallet/", "/my-leads/", "/orders/", "/leads/buy/", "/demo/"]
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed), f"Sitemap: {absolute('sitemap')}"]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """429: allauth asks for this one; every limit ends on the same page.

    Raises:
        TooMany: always.
    """
    raise TooMany(retry_after=seconds_left(request))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 if it was too large: static pages, as nothing of the request can be trusted."""
    return static_page(413 if isinstance(exception, RequestDataTooBig) else 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: nothing was changed. To our staff it says that their role lacks it."""
    return admin_refused(request, 403) or render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: says what may have happened and where to go on."""
    return admin_refused(request, 404) or render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 if it was the database that failed outside of a view: static pages that need none."""
    return database_away() if is_away(sys.exception()) else static_page(500)


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was open too long, or came from elsewhere. Nothing happened, and what was typed is given back."""
    return render(request, "403_csrf.html", {"text": typed(request)}, status=403)


# --- the demo only (not routed without DEBUG) -------------------------------------------------------------------------

_MESSAGE_NAME = re.compile(r"[A-Za-z0-9_-]+\.eml")
SHOWN = 100


def _read(path: Path) -> dict[str, Any]:
    """A mail as the demo shows it; Django dates mails in UTC."""
    message: EmailMessage = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    return {"name": path.name, "message": message, "sent_at": message["date"].datetime.replace(tzinfo=UTC)}


@require_safe
def demo_mailbox(request: HttpRequest) -> HttpResponse:
    """Every mail the demo sent, newest first."""
    files = sorted(settings.MAIL_FILES.glob("*.eml"), reverse=True)[:SHOWN]
    return render(request, "demo_mailbox.html", {"mails": [_read(path) for path in files]})


@require_safe
def demo_message(request: HttpRequest, name: str) -> HttpResponse:
    """One mail of the demo, as text."""
    path = settings.MAIL_FILES / name
    if not _MESSAGE_NAME.fullmatch(name) or not path.is_file():
        raise Http404
    mail = _read(path)
    body = mail["message"].get_body(("plain",))
    return render(request, "demo_message.html", {"mail": mail, "text": body.get_content() if body else ""})
