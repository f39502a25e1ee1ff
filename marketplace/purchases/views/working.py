"""What the forms on the page of a lead send: its stage, calls and notes."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from accounts.members import MemberRequest, sent_by_members
from marketplace.core.links import safe_next
from marketplace.core.undo import is_undo, offer_undo
from marketplace.leads import calling
from marketplace.purchases import calls, notes, stages
from marketplace.purchases.forms import CallForm, DncCheckForm, NextCallForm, NoteForm, StageForm
from marketplace.purchases.models import Purchase

from .my_lead import lead_page, purchase_of


def _back(request: MemberRequest, purchase: Purchase) -> HttpResponse:
    """To the page the form stood on, or to the lead."""
    return HttpResponseRedirect(safe_next(request, reverse("purchases:my_lead", args=[purchase.public_id])))


@sent_by_members
def set_stage(request: MemberRequest, public_id: str) -> HttpResponse:
    """Say which stage the lead is in."""
    purchase = purchase_of(request, public_id)
    form = StageForm(request.POST)
    if not form.is_valid():
        return lead_page(request, purchase, status=422, stage_form=form)
    stage = Purchase.Stage(form.cleaned_data["stage"])
    former = stages.set_stage(purchase, stage)
    if is_undo(request):
        messages.success(request, f"Undone: the stage is {stage.label} again.")
    elif former == stage:
        messages.success(request, f"The stage is {stage.label}.")
    else:
        undo = reverse("purchases:set_stage", args=[purchase.public_id])
        offer_undo(request, f"Stage saved: {stage.label}.", action=undo, fields={"stage": former})
    return _back(request, purchase)


@sent_by_members
def log_call(request: MemberRequest, public_id: str) -> HttpResponse:
    """Log a call that was made just now."""
    purchase = purchase_of(request, public_id)
    form = CallForm(request.POST)
    if not form.is_valid():
        return lead_page(request, purchase, call_form=form, status=422)
    call = calls.log_call(purchase, form.cleaned_data["outcome"], key=form.cleaned_data["key"])
    undo = reverse("purchases:remove_call", args=[purchase.public_id, call.public_id])
    offer_undo(request, f"Call logged: {call.get_outcome_display()}.", action=undo)
    return _back(request, purchase)


@sent_by_members
def remove_call(request: MemberRequest, public_id: str, call_id: str) -> HttpResponse:
    """Take a call out of the log; one that is gone already is no mistake."""
    purchase = purchase_of(request, public_id)
    calls.remove_call(purchase, call_id)
    sentence = "Undone: the call is out of the log." if is_undo(request) else "The call was taken out of the log."
    messages.success(request, sentence)
    return _back(request, purchase)


@sent_by_members
def plan_call(request: MemberRequest, public_id: str) -> HttpResponse:
    """Say when to call next. A time at which the person may not be called is saved, with a warning."""
    purchase = purchase_of(request, public_id)
    form = NextCallForm(request.POST, member=request.user, lead=purchase.lead, planned=purchase.next_call_at)
    if not form.is_valid():
        return lead_page(request, purchase, next_call_form=form, status=422)
    moment = form.cleaned_data["moment"]
    try:
        calls.plan_call(purchase, moment)
    except calls.MayNotBeCalled as refusal:
        form.add_error(None, refusal.message)
        return lead_page(request, purchase, next_call_form=form, status=refusal.status)
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
    purchase = purchase_of(request, public_id)
    form = DncCheckForm(request.POST, member=request.user)
    if not form.is_valid():
        return lead_page(request, purchase, dnc_form=form, status=422)
    former = purchase.dnc_checked_on
    calls.note_dnc_check(purchase, form.cleaned_data["day"])
    if is_undo(request):
        messages.success(request, "Undone: your do-not-call check is as it was.")
        return _back(request, purchase)
    fields = {"when": "on", "on": former.isoformat()} if former else {"when": "never"}
    undo = reverse("purchases:note_dnc_check", args=[purchase.public_id])
    offer_undo(request, "Do-not-call check saved.", action=undo, fields=fields)
    return _back(request, purchase)


@sent_by_members
def add_note(request: MemberRequest, public_id: str) -> HttpResponse:
    """Keep a note."""
    purchase = purchase_of(request, public_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return lead_page(request, purchase, note_form=form, status=422)
    note = notes.add_note(purchase, form.cleaned_data["text"], key=form.cleaned_data["key"])
    undo = reverse("purchases:remove_note", args=[purchase.public_id, note.public_id])
    offer_undo(request, "Note added.", action=undo)
    if note.text != form.cleaned_data["text"]:
        messages.warning(request, "A card number was taken out of your note. Card numbers are never kept here.")
    return _to_notes(purchase)


@sent_by_members
def remove_note(request: MemberRequest, public_id: str, note_id: str) -> HttpResponse:
    """Remove a note; one that is gone already is no mistake."""
    purchase = purchase_of(request, public_id)
    notes.remove_note(purchase, note_id)
    sentence = "Undone: the note is removed." if is_undo(request) else "Note removed."
    undo = reverse("purchases:restore_note", args=[purchase.public_id, note_id])
    offer_undo(request, f"{sentence} It is deleted for good after an hour.", action=undo)
    return _to_notes(purchase)


@sent_by_members
def restore_note(request: MemberRequest, public_id: str, note_id: str) -> HttpResponse:
    """Bring a removed note back."""
    purchase = purchase_of(request, public_id)
    if notes.restore_note(purchase, note_id):
        messages.success(request, "Undone: the note is back." if is_undo(request) else "The note is back.")
    else:
        messages.warning(request, "That note was deleted for good. It cannot be brought back.")
    return _to_notes(purchase)


def _to_notes(purchase: Purchase) -> HttpResponse:
    return redirect(f"{reverse('purchases:my_lead', args=[purchase.public_id])}#notes")
