"""The public pages of the texts in force. Readable without a cookie, a script or an account (DX-03)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from .policy.models import Document
from .policy.services import html_of, in_force


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    """The terms in force, with version, date and SHA-256."""
    version = in_force(Document.TERMS)
    text = mark_safe(html_of(version))  # noqa: S308 - our own text, rendered with raw HTML switched off
    return render(request, "privacy/terms.html", {"version": version, "text": text})
