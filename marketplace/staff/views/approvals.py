"""What waits for a second person, and deciding it."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.staff import recently_confirmed
from marketplace.core import two_people
from marketplace.core.refusals import Refusal
from marketplace.core.two_people import is_new
from marketplace.ledger.services import wallet_of
from marketplace.staff.approvals import SORTS, Request, answered, decided_by, seen_by, waiting
from marketplace.staff.forms import DecisionForm

from .pages import StaffRequest, page, write_history

SHOWN = 5  # of what else was asked for


@require_safe
def approvals(request: StaffRequest) -> HttpResponse:
    """All that waits and concerns the reader, oldest first; then what was decided within a week of what the reader
    asked for, and what the reader decided."""
    reader = request.user
    context = {"waiting": waiting(reader), "answered": answered(reader), "decided": decided_by(reader)}
    return page(request, "approvals", "Waiting for a second person", context)


def _found(request: StaffRequest, name: str, public_id: str) -> Request:
    """The request, if the reader may see it."""
    if name not in SORTS:
        raise Http404
    sort = SORTS[name]
    found = seen_by(request.user, sort, get_object_or_404(sort.rows(), public_id=public_id))
    if not found.may_open:
        raise PermissionDenied
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@recently_confirmed
def approval(request: StaffRequest, sort: str, public_id: str) -> HttpResponse:
    """What somebody asked for; whoever may approves it or declines it with a reason."""
    found = _found(request, sort, public_id)
    form, row = DecisionForm(request.POST or None), found.row
    if request.method != "POST":
        return _page(request, found, form)
    if not request.user.has_perm(found.sort.permission):
        raise PermissionDenied
    if not form.is_valid():
        return _page(request, found, form, status=422)
    try:
        said = _decide(request, found, form)
    except Refusal as refusal:
        row.refresh_from_db()  # what was tried and rolled back stands in it
        return _page(request, found, form, status=refusal.status, refusal=refusal)
    write_history(request, f"{said} {row}.", row, found.member)
    messages.success(request, f"{said}. {row.done if said == 'Approved' else ''}".strip())
    return redirect("admin:approvals")


def _decide(request: StaffRequest, found: Request, form: DecisionForm) -> str:
    if form.cleaned_data["decision"] == "approve":
        found.sort.approve(request.user, found.row)
        return "Approved"
    found.sort.decline(request.user, found.row, answer=form.cleaned_data["answer"])
    return "Declined"


def _page(
    request: StaffRequest, found: Request, form: DecisionForm, *, status: int = 200, refusal: Refusal | None = None
) -> HttpResponse:
    now = seen_by(request.user, found.sort, found.row)
    context = {
        "found": now, "row": now.row, "form": form, "refusal": refusal,
        "member": now.member, "purse": wallet_of(now.member.pk) if now.member else None,
        "others": [seen_by(request.user, now.sort, one) for one in now.sort.others(now.row)[:SHOWN]],
        "too_new": is_new(request.user),
    }  # fmt: skip
    return page(request, "approval", "Decide" if now.may_decide else "A request", context, status=status)


@require_POST
def take_back(request: StaffRequest, sort: str, public_id: str) -> HttpResponse:
    """Who asked does not want it any more."""
    found = _found(request, sort, public_id)
    try:
        two_people.take_back(found.row, request.user)
    except Refusal as refusal:
        return _page(request, found, DecisionForm(), status=refusal.status, refusal=refusal)
    write_history(request, f"Took back {found.row}.", found.row, found.member)
    messages.success(request, "It is taken back. Nothing was changed.")
    return redirect("admin:approvals")
