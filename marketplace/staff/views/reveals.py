"""Looking at personal details: with a reason, written down before anything is shown, never kept by a browser."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from marketplace.core.admin import staff_with
from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.leads.services import contact_of
from marketplace.reveals import reveal
from marketplace.staff.forms import ReasonForm
from marketplace.wallet.models import BillingDetails
from privacy.vault import reveals
from privacy.vault.models import Reveal
from privacy.vault.sealing import CannotOpen

from .pages import StaffRequest, Words, form_page, form_task, page, write_history

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
    if about is Reveal.About.LEAD:  # who asked for offers has no account in which to read it
        form.fields["reason"].help_text = "Kept with what you do. No contact data."
    words = _words(request.user, about, subject, named)
    if request.method != "POST" or not form.is_valid():
        return form_page(request, form, words)
    reason = form.cleaned_data["reason"]
    try:
        details = reveal(request.user, about, subject.public_id, reason=reason, read=read)
    except Refusal as refusal:
        return form_page(request, form, words, refusal=refusal)
    write_history(request, words.history, subject)
    return page(request, "details", words.title, {"details": details, "words": words, "member": words.member})


def _words(staff: User, about: Reveal.About, subject: Any, named: str) -> Words:
    is_member, left = about is Reveal.About.MEMBER, reveals.people_left(staff)
    read_by = ", and the member can read it" if is_member else ""
    return Words(
        f"Details of {named}",
        f"Who looked, when and why is kept{read_by}. You can look at {max(left, 0)} more people within this hour.",
        "Show the details",
        history="Looked at the details.",
        member=subject if is_member else None,
        back="" if is_member else reverse("admin:leads_lead_change", args=[subject.pk]),
        more=left <= 0,
    )


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
    intro = "Tell whoever decides what you are working on."
    back = reverse("admin:approvals")
    words = Words("Look at more people", intro, "Ask for 50 more", "It waits for a second person now.", back=back)
    form = ReasonForm(request.POST or None)
    form.fields["reason"].help_text = "Whoever decides reads it. No contact data."
    verb = partial(reveals.ask_for_more, request.user)
    return form_task(request, form, words, verb, subject=None, back=back)
