"""Beginning and ending to look at the site as a buyer sees it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from marketplace.core.admin import staff_with
from marketplace.staff import services, viewing
from marketplace.staff.forms import ReasonForm

from .pages import StaffRequest, Words, form_page, write_history


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with(viewing.PERMISSION)
def view_as_buyer(request: StaffRequest, public_id: str) -> HttpResponse:
    """Look at the site as this buyer sees it, once it is written down why."""
    member = get_object_or_404(User, public_id=public_id, is_staff=False)
    intro = (
        "You see the catalogue, their leads and their wallet for a quarter of an hour. You can change nothing, "
        "contacts stay hidden, and it is kept who looked and why."
    )
    title, history = "Look as this buyer", "Looked at the site as this buyer."
    words = Words(title, intro, title, history=history, member=member)
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return form_page(request, form, words)
    services.begin_viewing(request.user, member, reason=form.cleaned_data["reason"])
    viewing.begin(request, member)
    write_history(request, words.history, member)
    return redirect("purchases:my_leads")


@require_POST
def stop_viewing(request: StaffRequest) -> HttpResponse:
    """Back to the page of the member."""
    public_id = viewing.end(request)
    messages.success(request, "You see your own pages again.")
    return redirect("admin:member", public_id) if public_id else redirect("admin:index")
