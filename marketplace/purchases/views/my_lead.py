"""The page of a lead that a member bought, with the forms to work it."""

from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.members import MemberRequest
from marketplace.purchases import services
from marketplace.purchases.forms import CallForm, DncCheckForm, NextCallForm, NoteForm, StageForm
from marketplace.purchases.models import CallAttempt, Purchase


@login_required
@require_safe
def my_lead(request: MemberRequest, public_id: str) -> HttpResponse:
    """Whom to call, what they asked for, what they agreed to, and my notes."""
    return lead_page(request, purchase_of(request, public_id))


def purchase_of(request: MemberRequest, public_id: str) -> Purchase:
    """The member's purchase of this id, with all that its page shows."""
    loaded = Purchase.objects.select_related(
        "order", "lead__vertical", "lead__supplier", "lead__contact", "lead__consent__wording"
    )
    return get_object_or_404(loaded.for_user(request.user).with_wishes(), public_id=public_id)


def lead_page(request: MemberRequest, purchase: Purchase, *, status: int = 200, **forms: Form) -> HttpResponse:
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
        "is_contacted": last == CallAttempt.Outcome.SPOKE and purchase.stage == Purchase.Stage.NEW,
        "outcomes": CallAttempt.Outcome.choices,
        "key": services.new_key(),
        "call_form": CallForm(),
        "next_call_form": NextCallForm(member=request.user, lead=purchase.lead, planned=purchase.planned_call),
        "dnc_form": DncCheckForm(member=request.user, initial={"on": purchase.dnc_checked_on}),
        "stage_form": StageForm(initial={"stage": purchase.stage}),
        "note_form": NoteForm(),
        "has_errors": bool(forms),
    } | forms
    return render(request, "purchases/my_lead.html", context, status=status)
