"""What is for sale, for everybody: no account and no cookie needed, no contact shown."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.members import MemberRequest, sent_by_members
from marketplace.core import clock, keyset
from marketplace.core.undo import offer_undo

from . import plots, searches, services
from .addresses import canonical
from .facets import COUNTED, Facets
from .forms import CatalogueForm, SaveSearchForm
from .models import Lead, LeadQuerySet, SavedSearch

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
    context = {"form": form, "found": counted, "counted": COUNTED, "views": VIEWS, "since": _since(form)}
    context["numbers"] = partial(form.numbers, counted)  # asked for only if the filters are not in the cache
    if request.user.is_authenticated and request.user.licensed_states:
        context["my_states"] = form.in_states(request.user.licensed_states)
    if request.user.is_authenticated and form.chosen():
        context["save_form"] = form.to_save()
    if form.shown_as != "list":
        return render(request, "leads/catalogue.html", context | _plots(form, counted), status=status)
    page = _page(form.found(Lead.objects.on_sale()).select_related("vertical"), form.order, query)
    if not page.rows and ("after" in query or "before" in query):  # bought away meanwhile
        return redirect(f"{request.path}{form.first_page()}")
    if not page.newer and not page.older:  # all of it is here, so that nobody need have counted
        context["found"] = replace(counted, total=len(page.rows), is_capped=False)
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


@require_safe
@login_required
def saved_searches(request: MemberRequest) -> HttpResponse:
    """The lists the member keeps, each with what is new."""
    return _searches(request)


def _searches(request: MemberRequest, *, form: SaveSearchForm | None = None, status: int = 200) -> HttpResponse:
    context = {"searches": searches.searches_of(request.user), "form": form, "most_news": searches.NEWS}
    return render(request, "leads/saved_searches.html", context, status=status)


@sent_by_members
def save_search(request: MemberRequest) -> HttpResponse:
    """Keep a list under a name."""
    form = SaveSearchForm(request.POST)
    if not form.is_valid():
        return _searches(request, form=form, status=422)
    try:
        searches.save_search(request.user, form.cleaned_data["name"], form.cleaned_data["query"])
    except searches.TooManySearches as refusal:
        form.add_error(None, refusal.message)
        return _searches(request, form=form, status=refusal.status)
    messages.success(request, "Search saved.")
    return redirect("leads:saved_searches")


@require_safe
@login_required
def saved_search(request: MemberRequest, public_id: str) -> HttpResponse:
    """On to the list, which counts as looked at."""
    search = _kept(request, public_id)
    if request.method == "GET":
        searches.look_at(search)
    return redirect(f"{reverse('leads:catalogue')}{searches.form_of(search).first_page()}")


def _kept(request: MemberRequest, public_id: str) -> SavedSearch:
    return get_object_or_404(SavedSearch.objects.for_user(request.user).kept(), public_id=public_id)


@sent_by_members
def remove_search(request: MemberRequest, public_id: str) -> HttpResponse:
    """Remove a saved search, with a way back."""
    search = get_object_or_404(SavedSearch.objects.for_user(request.user), public_id=public_id)
    searches.remove_search(search)
    back = reverse("leads:restore_search", args=[public_id])
    offer_undo(request, "Search removed.", action=back)
    return redirect("leads:saved_searches")


@sent_by_members
def restore_search(request: MemberRequest, public_id: str) -> HttpResponse:
    """Bring a removed search back, as long as it is there."""
    search = SavedSearch.objects.for_user(request.user).filter(public_id=public_id).first()
    if search is None:
        messages.warning(request, "This search was removed for good.")
    else:
        searches.restore_search(search)
        messages.success(request, "Search restored.")
    return redirect("leads:saved_searches")


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
    context = {"lead": chosen, "pricing": services.explain_price(chosen)}
    context["similar"] = sorted(found.values(), key=chosen.nearness)
    context["history"] = plots.price_history(chosen)
    return render(request, "leads/lead.html", context)
