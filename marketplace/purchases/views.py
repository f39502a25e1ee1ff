"""Buying a lead, and working those one has bought."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.members import MemberRequest, sent_by_members
from accounts.models import User
from marketplace.core import clock, csv_export, keyset, xlsx_export
from marketplace.core.csv_export import stream_csv
from marketplace.core.downloads import download
from marketplace.core.links import SeeOther, safe_next
from marketplace.core.money import dollars
from marketplace.core.refusals import Refusal
from marketplace.core.throttle import throttle
from marketplace.core.undo import offer_undo
from marketplace.core.xlsx_export import stream_xlsx
from marketplace.leads import calling
from marketplace.leads.models import Lead
from marketplace.leads.services import Contact, LeadUnavailable, PriceChanged
from marketplace.ledger.services import InsufficientFunds

from . import export_jobs, exports, services, several
from .forms import (
    BuyForm,
    BuySeveralForm,
    CallForm,
    DncCheckForm,
    ExportForm,
    MyLeadsForm,
    NextCallForm,
    NoteForm,
    StageForm,
)
from .models import DUE, CallAttempt, Export, Order, Purchase, PurchaseQuerySet
from .several import Selection

PAGE_SIZE = 25
COLUMN_SIZE = 20
SHEET_SIZE = 100
EXPORTS_AN_HOUR = 30
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


@require_http_methods(["GET", "HEAD", "POST"])
def buy_leads(request: HttpRequest) -> HttpResponse:
    """Confirm (GET) and buy (POST) what was ticked. Reading the address needs no token and no cookie."""
    given = request.POST if request.method == "POST" else request.GET
    ids = [text for text in dict.fromkeys(given.getlist("lead")) if text]
    if not 0 < len(ids) <= settings.LEADS_AT_ONCE:
        first = several.address_of(ids[: settings.LEADS_AT_ONCE])
        context = {"number": len(ids), "most": settings.LEADS_AT_ONCE, "first": first}
        return render(request, "purchases/select_again.html", context, status=422)
    chosen = several.select(ids)
    if not chosen.leads:
        raise Http404
    if not request.user.is_authenticated:
        door = "account_login" if request.method == "POST" else "account_signup"
        return redirect_to_login(chosen.address, reverse(door))
    if request.method != "POST":
        return _confirm_several(request, request.user, chosen)
    return SeeOther(chosen.address) if "update" in request.POST else _buy_several(request, request.user, chosen)


def _confirm_several(
    request: HttpRequest, buyer: User, chosen: Selection, *, status: int = 200, **said: Any
) -> HttpResponse:
    """The form, and what is ``said`` above it: ``refusal``, ``is_reused``, ``is_incomplete``, ``seen`` prices."""
    try:
        context = said | several.confirmation(buyer, chosen, seen=said.get("seen"))
    except (services.BuyingStopped, services.TermsNotAccepted) as refusal:
        context = {"chosen": chosen, "refusal": refusal, "why": type(refusal).__name__}
        status = refusal.status
    return render(request, "purchases/buy_leads.html", context, status=status)


def _buy_several(request: HttpRequest, buyer: User, chosen: Selection) -> HttpResponse:
    form = BuySeveralForm(request.POST, leads=chosen.leads)
    if chosen.unknown or not form.is_valid():
        return _confirm_several(request, buyer, chosen, status=422, is_incomplete=True)
    try:
        outcome = services.buy_leads(buyer, form.wanted(), key=form.cleaned_data["key"])
    except EXPLAINED as refusal:
        now = several.select([lead.public_id for lead in chosen.leads])
        seen = form.cleaned_data["seen"]
        is_reused = isinstance(refusal, services.KeyReused)
        said = {"refusal": refusal, "is_reused": is_reused, "seen": seen}
        return _confirm_several(request, buyer, now, status=refusal.status, **said)
    return SeeOther(reverse("purchases:order", args=[outcome.order.public_id]))


@login_required
@require_safe
def order(request: HttpRequest, public_id: str) -> HttpResponse:
    """What an order bought, and what it did not and why, with similar leads beside it."""
    found = get_object_or_404(Order.objects.for_user(request.user), public_id=public_id)
    loaded = found.purchases.select_related("lead__vertical", "lead__contact", "lead__consent").order_by("pk")
    refused = list(found.refused.select_related("lead__vertical", "earlier").order_by("pk"))
    context = {
        "order": found,
        "rows": [(purchase, services.open_contact(purchase)) for purchase in loaded],
        "total": sum(purchase.price_cents for purchase in loaded),
        "refused": several.beside(request.user, refused, but=[line.lead for line in refused]),
    }
    return render(request, "purchases/order.html", context)


@login_required
@require_safe
def my_leads(request: MemberRequest) -> HttpResponse:
    """What the member bought, by stage, with search."""
    form = MyLeadsForm(request.GET, member=request.user)
    return _list(request, form, status=200 if form.is_valid() else 422)


def _list(request: MemberRequest, form: MyLeadsForm, *, status: int) -> HttpResponse:
    mine = Purchase.objects.for_user(request.user)
    counts = form.searched(mine).count_by_tab(form.today_ends)
    found = form.found(mine).with_calls().select_related("lead__vertical", "lead__contact", "lead__consent")
    context = {
        "form": form,
        "tabs": _tabs(counts),
        "total": dict(_totals(counts))[form.tab],
        "stages": Purchase.Stage.choices,
        "outcomes": CallAttempt.Outcome.choices,
        "key": services.new_key(),
        "exports": Export.objects.for_user(request.user).present().order_by("-id")[:3],
    }
    if form.is_board:
        return render(request, "purchases/my_leads.html", context | _board(form, found), status=status)
    page = _keyset_page(request, form, found, PAGE_SIZE)
    if not page.rows and {"after", "before"} & request.GET.keys():  # moved to another stage meanwhile
        return redirect(f"{reverse('purchases:my_leads')}{form.filter_query}")
    return render(
        request, "purchases/my_leads.html", context | {"page": page, "rows": _opened(page.rows)}, status=status
    )


def _keyset_page(request: HttpRequest, form: MyLeadsForm, found: PurchaseQuerySet, size: int) -> keyset.Page[Purchase]:
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    try:
        return keyset.page(found, order=form.order, size=size, after=after, before=before)
    except keyset.BadCursor as error:
        raise Http404 from error


def _opened(purchases: Iterable[Purchase]) -> list[tuple[Purchase, Contact | None]]:
    return [(purchase, services.open_contact(purchase)) for purchase in purchases]


def _board(form: MyLeadsForm, found: PurchaseQuerySet) -> dict[str, Any]:
    """A column for each stage shown: its name and label, how many leads are in it, and the first of them."""
    rows = _opened(found.first_of_each_stage(COLUMN_SIZE, *form.order))
    columns = []
    for stage in [Purchase.Stage(form.stage_shown)] if form.stage_shown else Purchase.Stage:
        cards = [(purchase, contact) for purchase, contact in rows if purchase.stage == stage]
        count = cards[0][0].in_stage if cards else 0  # type: ignore[attr-defined]  # annotated
        columns.append((stage.value, stage.label, count, cards))
    return {"is_board": True, "rows": rows, "columns": columns}


def _totals(counts: dict[str, int]) -> list[tuple[str, int]]:
    """How many leads each tab shows, "" for all of them."""
    everything = sum(count for tab, count in counts.items() if tab != DUE)
    return [("", everything), *counts.items()]


def _tabs(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """The tabs with their labels and counts."""
    labels = {"": "All", DUE: "Due today"} | dict(Purchase.Stage.choices)
    return [(tab, labels[tab], count) for tab, count in _totals(counts)]


@login_required
@require_safe
def call_sheet(request: MemberRequest) -> HttpResponse:
    """The leads of the current filter that may be called, to be printed."""
    form = MyLeadsForm(request.GET, member=request.user)
    if not form.is_valid():
        return _list(request, form, status=422)
    found = form.found(Purchase.objects.for_user(request.user))
    listed = found.may_be_called()
    loaded = listed.with_last_note().select_related("lead__vertical", "lead__contact")
    total = listed.count()
    page = _keyset_page(request, form, loaded, SHEET_SIZE)
    context = {
        "form": form,
        "page": page,
        "rows": [(*row, calling.call_time(row[0].lead)) for row in _opened(page.rows)],
        "total": total,
        "left_out": found.count() - total,
        "printed_at": clock.now(),
    }
    return render(request, "purchases/call_sheet.html", context)


# --- exports ----------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def export_csv(request: MemberRequest) -> HttpResponseBase:
    """The leads of the current filter as CSV."""
    return _export_at_once(request, Export.Format.CSV)


@login_required
@require_safe
def export_xlsx(request: MemberRequest) -> HttpResponseBase:
    """The leads of the current filter for Excel."""
    return _export_at_once(request, Export.Format.XLSX)


def _export_at_once(request: MemberRequest, wanted: Export.Format) -> HttpResponseBase:
    form = MyLeadsForm(request.GET, member=request.user)
    if not form.is_valid():
        return _list(request, form, status=422)
    found = form.found(Purchase.objects.for_user(request.user))
    if found.count() > exports.AT_ONCE:  # a link must not start work; the button is on the page it leads to
        return redirect(f"{reverse('purchases:start_export')}?{urlencode({'format': wanted.value} | form.filter)}")
    stream = stream_xlsx if wanted == Export.Format.XLSX else stream_csv
    return stream(f"my-leads.{wanted}", exports.HEADER, exports.rows(found))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start_export(request: MemberRequest) -> HttpResponse:
    """Offer (GET) and have (POST) a file of many leads written; then to the page that shows how far it is."""
    asked = request.POST if request.method == "POST" else request.GET
    form, kind = MyLeadsForm(asked, member=request.user), ExportForm(asked)
    if not (form.is_valid() and kind.is_valid()):
        return _list(request, form, status=422)
    wanted = Export.Format(kind.cleaned_data["format"])
    number = form.found(Purchase.objects.for_user(request.user)).count()
    if request.method != "POST":
        return render(request, "purchases/start_export.html", {"form": form, "format": wanted, "number": number})
    throttle("exports", request.user.public_id, limit=EXPORTS_AN_HOUR, seconds=3600)
    started = export_jobs.start_export(request.user, wanted, form.filter, rows=number)
    return redirect("purchases:export", started.public_id)


@login_required
@require_safe
def export(request: MemberRequest, public_id: str) -> HttpResponse:
    """How far the file is; it refreshes itself until it is ready."""
    found = get_object_or_404(Export.objects.for_user(request.user), public_id=public_id)
    if found.is_gone:
        raise export_jobs.ExportGone
    is_refreshing = found.is_running and "still" not in request.GET
    response = render(request, "purchases/export.html", {"export": found, "is_refreshing": is_refreshing})
    if is_refreshing:
        response["Refresh"] = "5"  # a header and no script; the page says how to stop it
    return response


@login_required
@require_safe
def export_file(request: MemberRequest, public_id: str) -> HttpResponseBase:
    """The file, once it is ready."""
    found = get_object_or_404(Export.objects.for_user(request.user), public_id=public_id)
    if not found.is_ready:
        return redirect("purchases:export", found.public_id)
    content_type = xlsx_export.CONTENT_TYPE if found.format == Export.Format.XLSX else csv_export.CONTENT_TYPE
    chunks = export_jobs.open_file(found)
    return download(chunks, filename=f"my-leads.{found.format}", content_type=content_type)


@login_required
@require_safe
def my_lead(request: MemberRequest, public_id: str) -> HttpResponse:
    """Whom to call, what they asked for, what they agreed to, and my notes."""
    return _page(request, _mine(request, public_id))


def _mine(request: MemberRequest, public_id: str) -> Purchase:
    loaded = Purchase.objects.select_related(
        "order", "lead__vertical", "lead__supplier", "lead__contact", "lead__consent__wording"
    )
    return get_object_or_404(loaded.for_user(request.user), public_id=public_id)


def _page(request: MemberRequest, purchase: Purchase, *, status: int = 200, **forms: Form) -> HttpResponse:
    """The page of a purchase; ``forms`` are those that came with mistakes."""
    calls = list(purchase.calls.order_by("-made_at", "-id"))
    last = calls[0].outcome if calls else ""
    context = {
        "purchase": purchase,
        "lead": purchase.lead,
        "contact": services.open_contact(purchase),
        "consent": purchase.lead.consent,
        "notes": purchase.notes.kept().order_by("-id"),
        "calls": calls,
        "asked_not_to_call": any(call.outcome == CallAttempt.Outcome.ASKED_NOT_TO_CALL for call in calls),
        "is_contacted": last == CallAttempt.Outcome.SPOKE and purchase.stage == Purchase.Stage.NEW,
        "outcomes": CallAttempt.Outcome.choices,
        "key": services.new_key(),
        "call_form": CallForm(),
        "next_call_form": NextCallForm(member=request.user, lead=purchase.lead, planned=purchase.next_call_at),
        "dnc_form": DncCheckForm(member=request.user, initial={"on": purchase.dnc_checked_on}),
        "stage_form": StageForm(initial={"stage": purchase.stage}),
        "note_form": NoteForm(),
        "has_errors": bool(forms),
    } | forms
    return render(request, "purchases/my_lead.html", context, status=status)


def _back(request: MemberRequest, purchase: Purchase) -> HttpResponse:
    """To the page the form stood on, or to the lead."""
    return HttpResponseRedirect(safe_next(request, reverse("purchases:my_lead", args=[purchase.public_id])))


@sent_by_members
def set_stage(request: MemberRequest, public_id: str) -> HttpResponse:
    """Say which stage the lead is in."""
    purchase = _mine(request, public_id)
    form = StageForm(request.POST)
    if not form.is_valid():
        return _page(request, purchase, status=422, stage_form=form)
    stage = Purchase.Stage(form.cleaned_data["stage"])
    former = services.set_stage(purchase, stage)
    if former == stage:
        messages.success(request, f"The stage is {stage.label}.")
    else:
        undo = reverse("purchases:set_stage", args=[purchase.public_id])
        offer_undo(request, f"Stage saved: {stage.label}.", action=undo, fields={"stage": former})
    return _back(request, purchase)


@sent_by_members
def log_call(request: MemberRequest, public_id: str) -> HttpResponse:
    """Log a call that was made just now."""
    purchase = _mine(request, public_id)
    form = CallForm(request.POST)
    if not form.is_valid():
        return _page(request, purchase, call_form=form, status=422)
    call = services.log_call(purchase, form.cleaned_data["outcome"], key=form.cleaned_data["key"])
    undo = reverse("purchases:remove_call", args=[purchase.public_id, call.public_id])
    offer_undo(request, f"Call logged: {call.get_outcome_display()}.", action=undo)
    return _back(request, purchase)


@sent_by_members
def remove_call(request: MemberRequest, public_id: str, call_id: str) -> HttpResponse:
    """Take a call out of the log; one that is gone already is no mistake."""
    purchase = _mine(request, public_id)
    services.remove_call(purchase, call_id)
    messages.success(request, "The call was taken out of the log.")
    return _back(request, purchase)


@sent_by_members
def plan_call(request: MemberRequest, public_id: str) -> HttpResponse:
    """Say when to call next. A time at which the person may not be called is saved, with a warning."""
    purchase = _mine(request, public_id)
    form = NextCallForm(request.POST, member=request.user, lead=purchase.lead, planned=purchase.next_call_at)
    if not form.is_valid():
        return _page(request, purchase, next_call_form=form, status=422)
    moment = form.cleaned_data["moment"]
    services.plan_call(purchase, moment)
    there = calling.call_time(purchase.lead, moment) if moment else None
    if there and not there.is_open:
        sentence = (
            f"Next call saved, but then it is {there.clock} where they are. People may be called from 8 am to 9 pm."
        )
        messages.warning(request, sentence)
    else:
        messages.success(request, "Next call saved." if moment else "No call is planned any more.")
    return _back(request, purchase)


@sent_by_members
def note_dnc_check(request: MemberRequest, public_id: str) -> HttpResponse:
    """Say on which day the do-not-call registry was looked into."""
    purchase = _mine(request, public_id)
    form = DncCheckForm(request.POST, member=request.user)
    if not form.is_valid():
        return _page(request, purchase, dnc_form=form, status=422)
    former = purchase.dnc_checked_on
    services.note_dnc_check(purchase, form.cleaned_data["day"])
    fields = {"when": "on", "on": former.isoformat()} if former else {"when": "never"}
    undo = reverse("purchases:note_dnc_check", args=[purchase.public_id])
    offer_undo(request, "Do-not-call check saved.", action=undo, fields=fields)
    return _back(request, purchase)


@sent_by_members
def add_note(request: MemberRequest, public_id: str) -> HttpResponse:
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
def remove_note(request: MemberRequest, public_id: str, note_id: str) -> HttpResponse:
    """Remove a note; one that is gone already is no mistake."""
    purchase = _mine(request, public_id)
    services.remove_note(purchase, note_id)
    undo = reverse("purchases:restore_note", args=[purchase.public_id, note_id])
    offer_undo(request, "Note removed. It is deleted for good after an hour.", action=undo)
    return _to_notes(purchase)


@sent_by_members
def restore_note(request: MemberRequest, public_id: str, note_id: str) -> HttpResponse:
    """Bring a removed note back."""
    purchase = _mine(request, public_id)
    if services.restore_note(purchase, note_id):
        messages.success(request, "The note is back.")
    else:
        messages.warning(request, "That note was deleted for good. It cannot be brought back.")
    return _to_notes(purchase)


def _to_notes(purchase: Purchase) -> HttpResponse:
    return redirect(f"{reverse('purchases:my_lead', args=[purchase.public_id])}#notes")
