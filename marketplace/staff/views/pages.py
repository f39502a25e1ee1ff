"""How a task page of the admin answers: the page, the history, and a refusal in its own words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import User
from marketplace.core.refusals import Refusal, say_when
from marketplace.core.two_people import TwoPeople
from marketplace.staff.approvals import address_of


class StaffRequest(HttpRequest):
    """A request of somebody who may open the admin."""

    user: User


@dataclass(frozen=True)
class Words:
    """What a page with one form says: its title, what the form is for, its button, the sentence once it is done, and
    the line in the history. ``facts`` is what to know before; ``member`` is whom it is about, ``back`` the address to
    leave for if it is no member's, ``more`` whether to offer that somebody else allows more."""

    title: str
    intro: str
    button: str
    done: str = ""
    history: str = ""
    facts: tuple[str, ...] = ()
    member: User | None = None
    back: str = ""
    more: bool = False


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
    """A page with one form whose fields ``verb`` takes: once it is done, that stands in the history of ``subject``, of
    the member it is about and of the request it made, if any, and the address ``back`` is next."""
    if request.method != "POST" or not form.is_valid():
        return form_page(request, form, words)
    try:
        made = verb(**form.cleaned_data)
    except Refusal as refusal:
        return form_page(request, form, words, refusal=refusal)
    write_history(request, words.history or f"Asked for {made}.", subject, words.member, made)
    done: str = words.done
    if isinstance(made, TwoPeople):
        done = format_html('{} <a href="{}">See what you asked for</a>', done, address_of(made))
    messages.success(request, done)
    return redirect(back)


def write_history(request: StaffRequest, message: str, *rows: Model | None) -> None:
    """Into the admin's history of each row, once: what was done, and by whom; never a name or a reason (house rule
    13)."""
    for row in {row for row in rows if row is not None}:
        LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, message, single_object=True)
