"""What a member bought: as a list, as a board and on paper."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.members import MemberRequest
from marketplace.core import clock, keyset
from marketplace.leads import calling
from marketplace.leads.services import Contact
from marketplace.purchases import services
from marketplace.purchases.forms import MyLeadsForm
from marketplace.purchases.models import DUE, CallAttempt, Export, Purchase, PurchaseQuerySet

PAGE_SIZE = 25
COLUMN_SIZE = 20
SHEET_SIZE = 100


@login_required
@require_safe
def my_leads(request: MemberRequest) -> HttpResponse:
    """What the member bought, by stage, with search."""
    form = MyLeadsForm(request.GET, member=request.user)
    return list_page(request, form, status=200 if form.is_valid() else 422)


def list_page(request: MemberRequest, form: MyLeadsForm, *, status: int) -> HttpResponse:
    """The list or the board of the leads that ``form`` asks for."""
    mine = Purchase.objects.for_user(request.user)
    counts = form.searched(mine).count_by_tab(form.today_ends)
    found = (
        form.found(mine).with_wishes().with_calls().select_related("lead__vertical", "lead__contact", "lead__consent")
    )
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
        return list_page(request, form, status=422)
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
