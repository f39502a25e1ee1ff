"""The wallet's pages, and the one address at which the card processor tells us what happened."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import Error as DatabaseFailure
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.members import MemberRequest, shown_to_members
from accounts.models import User
from accounts.services import require_verified
from marketplace.core import clock, logs
from marketplace.core.csv_export import stream_csv
from marketplace.core.ids import could_be_id
from marketplace.core.links import SeeOther
from marketplace.core.refusals import Refusal, TooMany, say_when
from marketplace.core.throttle import throttle
from marketplace.ledger import statement as books
from marketplace.ledger.services import wallet_of

from . import billing as billing_details
from . import deposits, gateway, inbox, statement
from .forms import AddMoneyForm, BillingForm, StatementForm, parse_suggestion
from .models import Deposit
from .receipts import receipt_of

log = logs.get("leadfair.wallet")
PAGE = 25
NUMBERS = ("Receipt", "Purchase", "Lead", "Order")  # our own, in the statement's file
LARGEST_NOTICE = 512 * 1024  # bytes; the processor's are a few thousand
ASKED_PER_MINUTE = 30
IMPATIENT = timedelta(minutes=15)  # how long a return page looks again every 5 seconds


def may_post_to_the_processor(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
    """The page's form may end in a redirect to the card page; ``form-action 'self'`` would stop the browser there."""

    @wraps(view)
    def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        allow = csp_update({"form-action": [settings.STRIPE_CHECKOUT_ORIGIN]})
        return allow(view)(request, *args, **kwargs)

    return allowed


# --- balance and statement --------------------------------------------------------------------------------------------


@require_safe
@login_required
def wallet(request: MemberRequest) -> HttpResponse:
    """What is available, owed and on its way, and everything that moved the balance."""
    return _wallet_page(request, StatementForm(request.GET, member=request.user))


@require_safe
@login_required
def statement_csv(request: MemberRequest) -> HttpResponseBase:
    """The statement as filtered, all of it, for a spreadsheet."""
    form = StatementForm(request.GET, member=request.user)
    if not form.is_valid():
        return _wallet_page(request, form)
    data = form.cleaned_data
    entries = books.entries(request.user.pk, kind=data["kind"], since=data["since"], until=data["until"])
    header = ["When (UTC)", "What", "Reference", "Amount (USD)", "Balance (USD)", "Deposited (UTC)", *NUMBERS]
    return stream_csv("leadfair-statement.csv", header, _csv_rows(statement.all_in_words(request.user, entries)))


def _csv_rows(lines: Iterator[statement.Line]) -> Iterator[list[Any]]:
    for line in lines:
        entry, cause = line.entry, line.cause
        moments = [at and f"{at:%Y-%m-%d %H:%M:%S}" for at in (entry.moment, cause.deposited_at)]
        amounts = [Decimal(cents).scaleb(-2) for cents in (entry.delta, entry.balance)]
        numbers = [cause.numbers.get(name, "") for name in NUMBERS]
        yield [moments[0], cause.what, entry.reference, *amounts, moments[1], *numbers]


def _wallet_page(request: MemberRequest, form: StatementForm) -> HttpResponse:
    page = books.Page([], None, None)
    if form.has_bad_cursor():
        raise Http404
    if form.is_valid():
        data = form.cleaned_data
        wanted = {name: data[name] for name in ("kind", "since", "until", "after", "before")}
        page = books.page(request.user.pk, size=PAGE, **wanted)
    deposits = statement.deposits_of(request.user, page.rows)
    coming = [deposit for deposit in deposits.pending if deposit.state == Deposit.State.PROCESSING]
    context = {
        "form": form,
        "page": page,
        "lines": statement.in_words(page.rows, deposits),
        "coming": coming,
        "coming_cents": sum(deposit.amount_cents for deposit in coming),
        "looked_at": [deposit for deposit in deposits.pending if deposit.state == Deposit.State.REVIEW],
        "disputed": deposits.disputed,
        "purse": wallet_of(request.user.pk),
        "is_filtered": any(form.data.get(name) for name in ("kind", "from", "to")),
    }
    return render(request, "wallet/wallet.html", context, status=422 if form.errors else 200)


# --- deposits ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@shown_to_members
@may_post_to_the_processor
def add_money(request: MemberRequest) -> HttpResponse:
    """How much, who will collect the card and what for (AL-60, AL-61); then over to the card page. Nothing is sent to
    the processor before that."""
    require_verified(request.user)
    lead_ids = _lead_ids(request.GET.getlist("lead"))
    purse = wallet_of(request.user.pk)
    form = AddMoneyForm(
        request.POST if request.method == "POST" else None,
        instance=billing_details.details_of(request.user),
        suggested=parse_suggestion(request.GET.get("amount", "")),
    )
    context = {"form": form, "lead_ids": lead_ids, "purse": purse} | _processor()
    if request.method != "POST":
        return render(request, "wallet/add_money.html", context)
    if not form.is_valid():
        return render(request, "wallet/add_money.html", context, status=422)
    billing_details.keep_details(request.user, form.cleaned_data)
    try:
        _, address = deposits.start_deposit(request.user, form.cleaned_data["cents"], lead_ids=lead_ids)
    except (gateway.ProcessorDown, deposits.DepositsPaused, TooMany) as refusal:
        return _refused(request, "wallet/add_money.html", context, refusal)
    return SeeOther(address)


def _refused(request: HttpRequest, template: str, context: dict[str, Any], refusal: Refusal) -> HttpResponse:
    """The form again with everything typed, and the reason on top."""
    context["form"].add_error(None, refusal.message)
    return say_when(render(request, template, context, status=refusal.status), refusal)


def _lead_ids(texts: Sequence[str]) -> list[str]:
    """Public ids of leads from an address, each once, without anything that cannot be one; at most one order's."""
    return [text for text in dict.fromkeys(texts) if could_be_id(text)][: settings.LEADS_AT_ONCE]


def _processor() -> dict[str, Any]:
    """How pages name the card processor: in a demo it is the stand-in."""
    is_stand_in = bool(settings.STRIPE_API_BASE)
    return {"is_stand_in": is_stand_in, "processor": "Demo card processor" if is_stand_in else "Stripe"}


@require_safe
@login_required
def deposit(request: MemberRequest, public_id: str) -> HttpResponse:
    """Where the card page comes back to: how the deposit stands by the processor's word, never by the address."""
    found = get_object_or_404(Deposit.objects.for_user(request.user), public_id=public_id)
    is_known = _ask_processor(request.user, found)
    is_waiting = found.state == Deposit.State.PROCESSING or not is_known
    is_refreshing = is_waiting and clock.now() - found.created_at < IMPATIENT and "still" not in request.GET
    context = {
        "deposit": found,
        "was_cancelled": "cancelled" in request.GET,
        "is_known": is_known,
        "is_refreshing": is_refreshing,
        "purse": wallet_of(request.user.pk),
    }
    response = render(request, "wallet/deposit.html", context)
    if is_refreshing:
        response["Refresh"] = "5"  # a header and no script; the page says how to stop it
    return response


def _ask_processor(member: User, found: Deposit) -> bool:
    """Bring the deposit up to date; False if the processor could not be asked and we show what we know."""
    if found.has_ended:
        return True
    try:
        throttle("deposit-asked", member.public_id, limit=ASKED_PER_MINUTE, seconds=60)
        deposits.refresh(found)
    except (gateway.ProcessorDown, TooMany):
        return False
    return True


@require_safe
@login_required
def receipt(request: MemberRequest, public_id: str) -> HttpResponse:
    """A deposit to print: number, date, amount, what went back, and no card detail, because we have none (AL-11)."""
    found = get_object_or_404(Deposit.objects.for_user(request.user).paid(), public_id=public_id)
    context = {
        "deposit": found,
        "receipt": receipt_of(found),
        "details": billing_details.details_of(request.user),
    } | _processor()
    return render(request, "wallet/receipt.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@shown_to_members
def billing(request: MemberRequest) -> HttpResponse:
    """Name and address for receipts, to see, change and empty."""
    given = request.POST if request.method == "POST" else None
    form = BillingForm(given, instance=billing_details.details_of(request.user))
    if form.is_valid():
        billing_details.keep_details(request.user, form.cleaned_data)
        messages.success(request, "Your changes are saved. Receipts show them from now on, old ones too.")
        return redirect("wallet:billing")
    return render(request, "wallet/billing.html", {"form": form}, status=422 if form.errors else 200)


# --- the card processor speaks ----------------------------------------------------------------------------------------


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Something happened at the processor: check the signature on the raw body, write the id down, answer. Nothing is
    kept of a bad notice, and nothing but ids, type and time of a good one; the worker does the rest."""
    if _length(request) > LARGEST_NOTICE:
        return HttpResponse(status=413)
    try:
        event = gateway.verify_webhook(request.body, request.headers.get("Stripe-Signature", ""))
    except gateway.BadWebhook as error:
        log.warning("webhook refused", problem=str(error))
        return HttpResponse(status=400)
    try:
        inbox.receive(event)
    except DatabaseFailure as error:
        log.error("webhook put off", problem=type(error).__name__)
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    return HttpResponse(status=200)


def _length(request: HttpRequest) -> int:
    text = request.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0
