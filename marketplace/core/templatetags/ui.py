"""The small parts pages are made of: icons, money, times, masks."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from marketplace.core import clock, money
from marketplace.core.undo import offered_by

register = template.Library()
_SYMBOL = re.compile(r'<symbol id="(?P<name>[a-z0-9-]+)"[^>]*>(?P<paths>.*?)</symbol>', re.DOTALL)


@cache
def _icons() -> dict[str, str]:
    text = (Path(settings.BASE_DIR) / "static" / "img" / "icons.svg").read_text(encoding="utf-8")
    return {match["name"]: match["paths"] for match in _SYMBOL.finditer(text)}


@register.simple_tag
@cache
def icon(name: str, label: str = "") -> SafeString:
    """An icon of static/img/icons.svg (Lucide, ISC), drawn inline; silent unless ``label`` is given."""
    paths = mark_safe(_icons()[name])  # noqa: S308 - our own file
    if label:
        return format_html('<svg class="ico" viewBox="0 0 24 24" role="img" aria-label="{}">{}</svg>', label, paths)
    return format_html('<svg class="ico" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', paths)


@register.filter
def in_words(code: str) -> str:
    """A word of the card processor as people write it: ``"needs_response"`` → ``"Needs response"``."""
    return code.replace("_", " ").capitalize()


@register.filter
def dollars(cents: int) -> str:
    """Cents as ``$1,234.56``."""
    return money.dollars(cents)


@register.filter
def price(cents: int) -> SafeString:
    """Cents as a big price: dollars large, cents raised, read as one amount."""
    whole, rest = money.dollars(cents).split(".")
    return format_html(
        '<span class="price"><span aria-hidden="true">{}<span class="c">{}</span></span>'
        '<span class="vh">{}.{}</span></span>',
        whole,
        rest,
        whole,
        rest,
    )


@register.filter
def thousands(number: int) -> str:
    """A count as people write it, ``12,345``."""
    return f"{number:,}"


_MASKS = {"name": ("m4", "m6"), "phone": ("m3", "m3", "m4"), "email": ("m8",), "address": ("m6", "m4")}


@register.simple_tag
@cache
def mask(what: str) -> SafeString:
    """Bars in place of a value that is hidden until purchase. Their width says nothing about it."""
    bars = mark_safe("".join(f'<span class="mask {width}"></span>' for width in _MASKS[what]))  # noqa: S308
    return format_html('<span class="bars" aria-hidden="true">{}</span>', bars)


_UNITS = ((60, "second"), (60, "minute"), (24, "hour"), (30, "day"), (13, "month"))


@register.filter
def age(moment: datetime) -> str:
    """How long ago in words: ``4 minutes``, ``2 days``, ``3 months``."""
    number = max(0, int((clock.now() - moment).total_seconds()))
    for size, unit in _UNITS:
        if number < size:
            return f"{number} {unit}{'' if number == 1 else 's'}"
        number //= size
    return "over a year"


@register.simple_tag(takes_context=True)
def moment(context: dict[str, Any], value: datetime, form: str = "full") -> SafeString:
    """A time in the member's zone (UTC without one), with the zone's name: ``21 Nov 2026, 09:40 UTC``.

    ``form`` "ago" writes it in words, with the exact time as title.
    """
    request: HttpRequest | None = context.get("request")
    user = getattr(request, "user", None)
    zone = ZoneInfo(user.time_zone) if user is not None and user.is_authenticated and user.time_zone else None
    local = value.astimezone(zone) if zone else value
    exact = f"{local.day} {local:%b %Y, %H:%M} {local:%Z}"
    if form == "ago":
        return format_html(
            '<time datetime="{}" title="{}">{} ago</time>', value.isoformat(timespec="seconds"), exact, age(value)
        )
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), exact)


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: object) -> str:
    """The present query string with ``changes`` (None removes); pages start anew unless told otherwise."""
    values = context["request"].GET.copy()
    for name in ("after", "before"):
        values.pop(name, None)
    for name, value in changes.items():
        values.pop(name, None)
        if value not in (None, ""):
            values[name] = str(value)
    return f"?{values.urlencode()}" if values else "?"


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], *prefixes: str) -> SafeString:
    """``aria-current="page"`` if the present address starts with one of the prefixes."""
    path = context["request"].path if context.get("request") else ""
    return mark_safe(' aria-current="page"') if any(path.startswith(prefix) for prefix in prefixes) else mark_safe("")


@register.simple_tag(takes_context=True)
def keep_next(context: dict[str, Any]) -> str:
    """``?next=…`` as the present page got it, so that somebody who goes astray on the way in still ends up there."""
    request: HttpRequest | None = context.get("request")
    wanted = (request.POST.get("next") or request.GET.get("next")) if request is not None else ""
    return f"?{urlencode({'next': wanted})}" if wanted else ""


@register.inclusion_tag("core/undo.html", takes_context=True)
def undo(context: dict[str, Any], message: Message) -> dict[str, Any]:
    """The undo button of a flash message, if it offers one; it leads back to the page it stands on."""
    return {"offer": offered_by(message), "there": context["request"].get_full_path()}
