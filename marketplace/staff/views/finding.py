"""The one search box."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from marketplace.staff.search import find

from .pages import StaffRequest, page

LONGEST = 254


@require_safe
def search(request: StaffRequest) -> HttpResponse:
    """What the text names; a single hit is opened at once."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    found = find(text, request.user)
    if len(found.hits) == 1:
        return redirect(found.hits[0].address)
    return page(request, "search", "Search", {"found": found, "text": text})
