"""How a task page of the admin answers: the page, the history, and a refusal in its own words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from marketplace.core.refusals import Refusal, say_when


class StaffRequest(HttpRequest):
    """A request of somebody who may open the admin."""

    user: User


@dataclass(frozen=True)
class Words:
    """What a page with one form says: its title, what the form is for, its button, and the sentence once it is done.
    ``member`` is whom it is about, ``back`` the address to leave for if it is no member's, ``more`` whether to offer
    that somebody else allows more."""

    title: str
    intro: str
    button: str
    done: str = ""
    member: User | None = None
    back: str = ""
    more: bool = field(default=False)


def page(request: HttpRequest, name: str, title: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """``admin/staff/<name>.html`` inside the admin."""
    whole = admin.site.each_context(request) | {"title": title} | context
    return render(request, f"admin/staff/{name}.html", whole, status=status)


def admin_refused(request: HttpRequest, status: int) -> HttpResponse | None:
    """A 403 or 404 that keeps its reader in the admin; None outside of it, and for whom it does not open."""
    if not request.path.startswith(reverse("admin:index")) or not admin.site.has_permission(request):
        return None
    title = "Your role does not include this" if status == 403 else "Nothing is here"
    return page(request, "refused", title, {"forbidden": status == 403}, status=status)


def form_page(request: HttpRequest, form: Form, words: Words, *, refusal: Refusal | None = None) -> HttpResponse:
    """A page with one form: 422 with every field kept for mistakes, the refusal's status and sentence for a refusal."""
    status = refusal.status if refusal else 422 if form.errors else 200
    context = {"form": form, "refusal": refusal, "words": words, "member": words.member}
    response = page(request, "task", words.title, context, status=status)
    return say_when(response, refusal) if refusal else response


def form_task(
    request: StaffRequest, form: Form, words: Words, verb: Callable[..., Any], *, subject: Model | None, back: str
) -> HttpResponse:
    """A page with one form whose fields ``verb`` takes: once it is done, that stands in the history of ``subject`` and
    of what it made, and the address ``back`` is next."""
    if request.method != "POST" or not form.is_valid():
        return form_page(request, form, words)
    try:
        made = verb(**form.cleaned_data)
    except Refusal as refusal:
        return form_page(request, form, words, refusal=refusal)
    for row in (subject, made):
        if row is not None:
            write_history(request, row, f"{words.title}.")
    messages.success(request, words.done)
    return redirect(back)


def write_history(request: StaffRequest, row: Model, message: str) -> None:
    """Into the admin's history: what was done, by whom, to which row; never a name or a reason (house rule 13)."""
    LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, message, single_object=True)
