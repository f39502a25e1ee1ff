"""What is for sale, for everybody: no account and no cookie needed, no contact shown."""

from datetime import UTC, datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from marketplace.core import clock, keyset

from . import plots, services
from .facets import COUNTED, Facets
from .forms import CatalogueForm, canonical
from .models import Lead, LeadQuerySet

PAGE_SIZE = 20
SIMILAR = 6
VIEWS = [("list", "List", "list"), ("map", "Map", "map"), ("plots", "Plots", "chart-column")]  # with their icons


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """The leads on sale, filtered by the address; bad values are marked and the good ones still apply."""
    query = canonical(request.GET)
    if query.urlencode() != request.GET.urlencode():
        return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)
    form = CatalogueForm(query)
    status = 200 if form.is_valid() else 422
    counted = form.count()
    context = {"form": form, "total": counted.total, "counted": COUNTED, "views": VIEWS, "since": _since(form)}
    context |= {"numbers": form.numbers(counted), "bands": form.price_bands()}
    if request.user.is_authenticated and request.user.licensed_states:
        context["my_states"] = form.in_states(request.user.licensed_states)
    if form.shown_as != "list":
        return render(request, "leads/catalogue.html", context | _plots(form, counted), status=status)
    page = _page(form.found(Lead.objects.on_sale()).select_related("vertical"), form.order, query)
    if not page.rows and ("after" in query or "before" in query):  # bought away meanwhile
        return redirect(f"{request.path}{form.first_page()}")
    return render(request, "leads/catalogue.html", context | {"page": page}, status=status)


def _plots(form: CatalogueForm, counted: Facets) -> dict[str, Any]:
    if form.shown_as == "map":
        return {"map": plots.by_state(form, counted)}
    return plots.of_market(form.cleaned_data.get("vertical") or [])


def _since(form: CatalogueForm) -> str:
    """The query string that asks what was listed from now on."""
    query = QueryDict(form.first_page().removeprefix("?"), mutable=True)
    query["since"] = str(int(clock.now().timestamp()))
    return query.urlencode()


@require_safe
def fresh_leads(request: HttpRequest) -> HttpResponse:
    """How many leads of a list were listed since it was shown (a second, UTC): a line to put above it, if any."""
    try:
        since = datetime.fromtimestamp(int(request.GET.get("since", "")), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Http404 from error
    form = CatalogueForm(canonical(request.GET))
    form.is_valid()
    number = form.found(Lead.objects.on_sale()).filter(listed_at__gt=since)[: COUNTED + 1].count()
    return render(request, "leads/fresh_leads.html", {"form": form, "number": number, "counted": COUNTED})


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
    shown = Lead.objects.shown().select_related("vertical__market", "supplier", "consent")
    found = {lead.public_id: lead for lead in shown.with_similar(public_id, SIMILAR)}
    chosen = found.pop(public_id, None)
    if chosen is None:
        raise Http404
    similar = sorted(found.values(), key=lambda lead: (lead.listed_at, lead.pk), reverse=True)
    context = {"lead": chosen, "pricing": services.explain_price(chosen), "similar": similar}
    context["history"] = plots.price_history(chosen)
    return render(request, "leads/lead.html", context)
