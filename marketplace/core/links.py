"""Absolute addresses for mails, receipts and the card processor: always from SITE_URL, never from a Host header."""

from django.conf import settings
from django.urls import reverse


def absolute(name: str, *args: object, query: str = "") -> str:
    """The full address of the view ``name``; ``query`` without the question mark."""
    return f"{settings.SITE_URL}{reverse(name, args=args)}{'?' + query if query else ''}"
