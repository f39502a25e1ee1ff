"""Looking at personal details: with a reason, written down before anything is shown, never kept by a browser."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from marketplace.core.admin import staff_with
from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.leads.services import contact_of
from marketplace.staff import services
from marketplace.staff.forms import ReasonForm
from marketplace.wallet.models import BillingDetails
from privacy.vault import reveals
from privacy.vault.models import Reveal
from privacy.vault.sealing import CannotOpen

from .pages import StaffRequest, form_page, page, write_history

Details = list[tuple[str, str]]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@staff_with("vault.add_reveal")
def reveal_member(request: StaffRequest, public_id: str) -> HttpResponse:
    """Email, phone and address of a member."""
    member = get_object_or_404(User, public_id=public_id)
    return _reveal(request, Reveal.About.MEMBER, member, f"member {member.handle}", lambda: _of_member(member))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@staff_with("vault.add_reveal")
def reveal_lead(request: StaffRequest, public_id: str) -> HttpResponse:
    """The contact of the person who asked."""
    lead = get_object_or_404(Lead.objects.select_related("contact"), public_id=public_id)
    return _reveal(request, Reveal.About.LEAD, lead, f"lead {lead.public_id}", lambda: _of_lead(lead))


def _reveal(
    request: StaffRequest, about: Reveal.About, subject: Any, named: str, read: Callable[[], Details]
) -> HttpResponse:
    form = ReasonForm(request.POST or None)
    left = reveals.looks_left(request.user)
    title = f"Details of {named}"
    context: dict[str, Any] = {
        "member": subject if about is Reveal.About.MEMBER else None,
        "intro": f"Who looked, when and why is kept. You can look at {max(left, 0)} more people within this hour.",
        "button": "Show the details",
        "more": left <= 0,
    }
    if request.method != "POST" or not form.is_valid():
        return form_page(request, title, form, context)
    try:
        details = services.reveal(request.user, about, subject.public_id, reason=form.cleaned_data["reason"], read=read)
    except Refusal as refusal:
        return form_page(request, title, form, context | {"more": True}, refusal=refusal)
    return _shown(request, title, subject, details, context)


def _shown(
    request: StaffRequest, title: str, subject: Model, details: Details, context: dict[str, Any]
) -> HttpResponse:
    write_history(request, subject, "Looked at the details.")
    return page(request, "details", title, context | {"details": details})


def _of_member(member: User) -> Details:
    billing = BillingDetails.objects.filter(owner=member).first()
    told = [
        ("Email", member.email),
        ("Phone", str(member.phone.as_national) if member.phone else ""),
        ("Business", member.business_name),
        ("Billing name", billing.name if billing else ""),
        ("Billing address", _on_one_line(billing) if billing else ""),
    ]
    return [(what, value or "not given") for what, value in told]


def _on_one_line(billing: BillingDetails) -> str:
    return ", ".join(filter(None, (billing.address, billing.city, billing.state, billing.postal_code)))


def _of_lead(lead: Lead) -> Details:
    try:
        contact = contact_of(lead)
    except CannotOpen:
        return [("Contact", "cannot be opened: its key is gone, or it was altered")]
    told = [
        ("Name", contact.name), ("Phone", contact.phone_shown), ("Email", contact.email), ("Address", contact.address),
        ("What they wrote", contact.comments),
    ]  # fmt: skip
    return [(what, value or "not given") for what, value in told]


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with("vault.add_morereveals")
def ask_for_more(request: StaffRequest) -> HttpResponse:
    """Ask somebody else for leave to look at more people within the hour."""
    form = ReasonForm(request.POST or None)
    context = {"intro": "Tell whoever decides what you are working on.", "button": "Ask for 50 more"}
    if request.method != "POST" or not form.is_valid():
        return form_page(request, "Look at more people", form, context)
    asked = reveals.ask_for_more(request.user, reason=form.cleaned_data["reason"])
    write_history(request, asked, "Asked to look at more people.")
    messages.success(request, "It waits for a second person now.")
    return redirect("admin:approvals")
