"""What waits for a second person, and deciding it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.staff import recently_confirmed
from marketplace.core import two_people
from marketplace.core.refusals import Refusal
from marketplace.ledger.services import wallet_of
from marketplace.staff.approvals import SORTS, Sort, decided, waiting
from marketplace.staff.forms import DecisionForm

from .pages import StaffRequest, page, write_history


@require_safe
def approvals(request: StaffRequest) -> HttpResponse:
    """All that waits and concerns the reader, oldest first; then what others decided of what the reader asked for."""
    context = {"waiting": waiting(request.user), "decided": decided(request.user)}
    return page(request, "approvals", "Waiting for a second person", context)


def _found(request: HttpRequest, name: str, public_id: str) -> tuple[Sort, Any]:
    """The request and its sort, if the reader may see it: those who decide, and whoever asked."""
    if name not in SORTS:
        raise Http404
    sort = SORTS[name]
    row = get_object_or_404(sort.rows(), public_id=public_id)
    if row.maker_id != request.user.pk and not request.user.has_perm(sort.permission):
        raise PermissionDenied
    return sort, row


@require_http_methods(["GET", "HEAD", "POST"])
@recently_confirmed
def approval(request: StaffRequest, sort: str, public_id: str) -> HttpResponse:
    """What somebody asked for; whoever may approves it or declines it with a reason."""
    found, row = _found(request, sort, public_id)
    form = DecisionForm(request.POST or None)
    if request.method != "POST":
        return _page(request, found, row, form)
    if not request.user.has_perm(found.permission):
        raise PermissionDenied
    if not form.is_valid():
        return _page(request, found, row, form, status=422)
    try:
        said = _decide(request, found, row, form)
    except Refusal as refusal:
        row.refresh_from_db()  # what was tried and rolled back stands in it
        return _page(request, found, row, form, status=refusal.status, refusal=refusal)
    write_history(request, row, said)
    messages.success(request, f"{said} {row.done if said == 'Approved.' else ''}".strip())
    return redirect("admin:approvals")


def _decide(request: StaffRequest, sort: Sort, row: Any, form: DecisionForm) -> str:
    if form.cleaned_data["decision"] == "approve":
        sort.approve(request.user, row)
        return "Approved."
    sort.decline(request.user, row, answer=form.cleaned_data["answer"])
    return "Declined."


def _page(
    request: HttpRequest, sort: Sort, row: Any, form: DecisionForm, *, status: int = 200, refusal: Refusal | None = None
) -> HttpResponse:
    may_decide = row.may_be_decided_by(request.user) and request.user.has_perm(sort.permission)
    member = User.objects.filter(pk=row.about_id).first()
    context = {
        "member": member, "purse": wallet_of(member.pk) if member else None,
        "sort": sort, "row": row, "form": form, "refusal": refusal, "may_decide": may_decide,
        "may_take_back": row.is_waiting and row.maker_id == request.user.pk,
    }  # fmt: skip
    return page(request, "approval", "Decide" if may_decide else "A request", context, status=status)


@require_POST
def take_back(request: StaffRequest, sort: str, public_id: str) -> HttpResponse:
    """Who asked does not want it any more."""
    found, row = _found(request, sort, public_id)
    try:
        two_people.take_back(row, request.user)
    except Refusal as refusal:
        return _page(request, found, row, DecisionForm(), status=refusal.status, refusal=refusal)
    write_history(request, row, "Taken back.")
    messages.success(request, "It is taken back. Nothing was changed.")
    return redirect("admin:approvals")
