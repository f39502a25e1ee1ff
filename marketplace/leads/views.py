"""What is for sale, for everybody: no account and no cookie needed, no contact shown."""

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from marketplace.core import keyset

from . import services
from .forms import COUNTED, SORT_CHOICES, CatalogueForm, canonical
from .models import Lead, LeadQuerySet

PAGE_SIZE = 20
SIMILAR = 6


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """The leads on sale, filtered by the address; bad values are marked and the good ones still apply."""
    query = canonical(request.GET)
    if query.urlencode() != request.GET.urlencode():
        return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)
    form = CatalogueForm(query)
    status = 200 if form.is_valid() else 422
    found = form.found(Lead.objects.on_sale())
    page = _page(found.select_related("vertical"), form.order, query)
    if not page.rows and ("after" in query or "before" in query):  # bought away meanwhile
        return redirect(f"{request.path}{form.first_page()}")
    total = found[: COUNTED + 1].count() if page.rows else 0
    context = {"form": form, "page": page, "total": total, "counted": COUNTED, "sorts": SORT_CHOICES}
    if request.user.is_authenticated and request.user.licensed_states:
        context["my_states"] = form.in_states(request.user.licensed_states)
    return render(request, "leads/catalogue.html", context, status=status)


def _page(found: LeadQuerySet, order: tuple[str, str], query: QueryDict) -> keyset.Page[Lead]:
    after, before = query.get("after", ""), query.get("before", "")
    if after and before:
        raise Http404
    try:
        return keyset.page(found, order=order, size=PAGE_SIZE, after=after, before=before)
    except keyset.BadCursor as error:
        raise Http404 from error


@require_safe
def lead(request: HttpRequest, public_id: str) -> HttpResponse:
    """Everything there is to see before buying. A lead that is gone says so and shows similar ones."""
    shown = Lead.objects.shown().select_related("vertical", "supplier", "consent")
    found = {lead.public_id: lead for lead in shown.with_similar(public_id, SIMILAR)}
    chosen = found.pop(public_id, None)
    if chosen is None:
        raise Http404
    similar = sorted(found.values(), key=lambda lead: (lead.listed_at, lead.pk), reverse=True)
    context = {"lead": chosen, "pricing": services.explain_price(chosen), "similar": similar}
    return render(request, "leads/lead.html", context)
