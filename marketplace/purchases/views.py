"""Buying a lead, and working those one has bought."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.members import sent_by_members
from accounts.models import User
from marketplace.core import keyset
from marketplace.core.csv_export import stream_csv
from marketplace.core.links import safe_next
from marketplace.core.money import dollars
from marketplace.core.refusals import Refusal
from marketplace.core.undo import offer_undo
from marketplace.leads.models import Lead
from marketplace.leads.services import LeadUnavailable, PriceChanged
from marketplace.ledger.services import InsufficientFunds

from . import exports, services
from .forms import BuyForm, MyLeadsForm, NoteForm, StageForm
from .models import Purchase

PAGE_SIZE = 25
SIMILAR = 6
# Refusals of buying with a better page than the general one.
EXPLAINED = (
    InsufficientFunds,
    LeadUnavailable,
    PriceChanged,
    services.AlreadyBought,
    services.KeyReused,
    services.BuyingStopped,
    services.TermsNotAccepted,
)


@require_http_methods(["GET", "HEAD", "POST"])
def buy_lead(request: HttpRequest, public_id: str) -> HttpResponse:
    """Confirm (GET) and buy (POST). What is not shown is never charged: the form carries the price that was seen."""
    lead = get_object_or_404(Lead.objects.shown().select_related("vertical"), public_id=public_id)
    if not request.user.is_authenticated:
        # Only a member had the form; whoever follows a link may be new.
        return redirect_to_login(
            request.path, reverse("account_login" if request.method == "POST" else "account_signup")
        )
    try:
        return _buy(request, request.user, lead) if request.method == "POST" else _confirm(request, request.user, lead)
    except EXPLAINED as refusal:
        return _not_bought(request, request.user, lead, refusal)


def _confirm(request: HttpRequest, buyer: User, lead: Lead) -> HttpResponse:
    mine = Purchase.objects.for_user(buyer).filter(lead=lead).first()
    if mine is not None:
        return redirect("purchases:my_lead", mine.public_id)
    try:
        offer = services.offer_lead(buyer, lead)
    except LeadUnavailable:
        if lead.is_on_sale:  # its consent ended, and the job that withdraws it has not come yet
            raise
        return redirect("leads:lead", lead.public_id)
    except InsufficientFunds as refusal:
        needed = urlencode({"lead": lead.public_id, "amount": dollars(refusal.missing)})
        return redirect(f"{reverse('wallet:add_money')}?{needed}")
    return render(request, "purchases/buy_lead.html", {"lead": lead, "offer": offer, "form": BuyForm.of(offer)})


def _buy(request: HttpRequest, buyer: User, lead: Lead) -> HttpResponse:
    form = BuyForm(request.POST)
    if not form.is_valid():
        offer = services.offer_lead(buyer, lead)
        context = {"lead": lead, "offer": offer, "form": BuyForm.of(offer), "is_incomplete": True}
        return render(request, "purchases/buy_lead.html", context, status=422)
    seen, key = form.cleaned_data["price_seen"], form.cleaned_data["key"]
    purchase = services.buy_lead(buyer, lead, price_seen=seen, key=key)
    return redirect("purchases:my_lead", purchase.public_id)


def _not_bought(request: HttpRequest, buyer: User, lead: Lead, refusal: Refusal) -> HttpResponse:
    lead.refresh_from_db(fields=["price_cents", "status", "slots_sold"])
    context: dict[str, Any] = {"lead": lead, "refusal": refusal, "why": type(refusal).__name__}
    if isinstance(refusal, LeadUnavailable):
        similar = Lead.objects.similar_to(lead.vertical_id, lead.state).exclude(pk=lead.pk)
        context["similar"] = similar.select_related("vertical")[:SIMILAR]
    elif isinstance(refusal, services.AlreadyBought):
        mine = Purchase.objects.for_user(buyer).select_related("lead__vertical")
        context["earlier"] = mine.get(public_id=refusal.purchase_id)
    elif isinstance(refusal, PriceChanged):
        context |= _offer_anew(buyer, lead)
    return render(request, "purchases/not_bought.html", context, status=refusal.status)


def _offer_anew(buyer: User, lead: Lead) -> dict[str, Any]:
    try:
        offer = services.offer_lead(buyer, lead)
    except Refusal as refusal:
        return {"next_refusal": refusal, "missing": getattr(refusal, "missing", 0)}
    return {"offer": offer, "form": BuyForm.of(offer)}


@login_required
@require_safe
def my_leads(request: HttpRequest) -> HttpResponse:
    """What the member bought, by stage, with search."""
    form = MyLeadsForm(request.GET)
    return _list(request, form, status=200 if form.is_valid() else 422)


def _list(request: HttpRequest, form: MyLeadsForm, *, status: int) -> HttpResponse:
    mine = Purchase.objects.for_user(request.user)
    counts = form.searched(mine).count_by_stage()
    found = form.found(mine).select_related("lead__vertical", "lead__contact", "lead__consent")
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    try:
        page = keyset.page(found, order=("-created_at", "-id"), size=PAGE_SIZE, after=after, before=before)
    except keyset.BadCursor as error:
        raise Http404 from error
    if not page.rows and (after or before):  # moved to another stage meanwhile
        return redirect(f"{reverse('purchases:my_leads')}{form.query()}")
    context = {
        "form": form,
        "page": page,
        "rows": [(purchase, services.open_contact(purchase)) for purchase in page.rows],
        "tabs": [("", "All", sum(counts.values()))]
        + [(stage.value, stage.label, counts[stage.value]) for stage in Purchase.Stage],
        "total": counts[form.stage_shown] if form.stage_shown else sum(counts.values()),
        "stages": Purchase.Stage.choices,
    }
    return render(request, "purchases/my_leads.html", context, status=status)


@login_required
@require_safe
def export_csv(request: HttpRequest) -> HttpResponseBase:
    """The leads of the current filter as a file."""
    form = MyLeadsForm(request.GET)
    if not form.is_valid():
        return _list(request, form, status=422)
    found = form.found(Purchase.objects.for_user(request.user))
    return stream_csv("my-leads.csv", exports.HEADER, exports.rows(found))


@login_required
@require_safe
def my_lead(request: HttpRequest, public_id: str) -> HttpResponse:
    """Whom to call, what they asked for, what they agreed to, and my notes."""
    return _page(request, _mine(request, public_id))


def _mine(request: HttpRequest, public_id: str) -> Purchase:
    loaded = Purchase.objects.select_related(
        "order", "lead__vertical", "lead__supplier", "lead__contact", "lead__consent__wording"
    )
    return get_object_or_404(loaded.for_user(request.user), public_id=public_id)


def _page(
    request: HttpRequest,
    purchase: Purchase,
    *,
    stage_form: StageForm | None = None,
    note_form: NoteForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "purchase": purchase,
        "lead": purchase.lead,
        "contact": services.open_contact(purchase),
        "consent": purchase.lead.consent,
        "notes": purchase.notes.kept().order_by("-id"),
        "stage_form": stage_form or StageForm(initial={"stage": purchase.stage}),
        "note_form": note_form or NoteForm(),
    }
    return render(request, "purchases/my_lead.html", context, status=status)


def _back(request: HttpRequest, purchase: Purchase) -> HttpResponse:
    """To the page the form stood on, or to the lead."""
    return HttpResponseRedirect(safe_next(request, reverse("purchases:my_lead", args=[purchase.public_id])))


@sent_by_members
def set_stage(request: HttpRequest, public_id: str) -> HttpResponse:
    """Say which stage the lead is in."""
    purchase = _mine(request, public_id)
    form = StageForm(request.POST)
    if not form.is_valid():
        return _page(request, purchase, stage_form=form, status=422)
    stage = Purchase.Stage(form.cleaned_data["stage"])
    former = services.set_stage(purchase, stage)
    if former == stage:
        messages.success(request, f"The stage is {stage.label}.")
    else:
        undo = reverse("purchases:set_stage", args=[purchase.public_id])
        offer_undo(request, f"Stage saved: {stage.label}.", action=undo, fields={"stage": former})
    return _back(request, purchase)


@sent_by_members
def add_note(request: HttpRequest, public_id: str) -> HttpResponse:
    """Keep a note."""
    purchase = _mine(request, public_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, purchase, note_form=form, status=422)
    note = services.add_note(purchase, form.cleaned_data["text"])
    if note.text != form.cleaned_data["text"]:
        messages.warning(request, "A card number was taken out of your note. Card numbers are never kept here.")
    return _to_notes(purchase)


@sent_by_members
def remove_note(request: HttpRequest, public_id: str, note_id: str) -> HttpResponse:
    """Remove a note; one that is gone already is no mistake."""
    purchase = _mine(request, public_id)
    services.remove_note(purchase, note_id)
    undo = reverse("purchases:restore_note", args=[purchase.public_id, note_id])
    offer_undo(request, "Note removed. It is deleted for good after an hour.", action=undo)
    return _to_notes(purchase)


@sent_by_members
def restore_note(request: HttpRequest, public_id: str, note_id: str) -> HttpResponse:
    """Bring a removed note back."""
    purchase = _mine(request, public_id)
    if services.restore_note(purchase, note_id):
        messages.success(request, "The note is back.")
    else:
        messages.warning(request, "That note was deleted for good. It cannot be brought back.")
    return _to_notes(purchase)


def _to_notes(purchase: Purchase) -> HttpResponse:
    return redirect(f"{reverse('purchases:my_lead', args=[purchase.public_id])}#notes")
