"""What is done for a member with one form and one verb: notes, codes, addresses, buying, second factors, roles."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.factors import has_second_factor
from accounts.models import User
from accounts.staff import recently_confirmed
from marketplace.staff import services
from marketplace.staff.forms import EmailForm, NoteForm, ReasonForm, RolesForm

from .pages import StaffRequest, Words, form_task


@dataclass(frozen=True)
class Task:
    """One thing to do for a member: the last part of its address, who may, the words of its page, and its verb.
    ``history`` is its line in the history, ``applies`` says whether one of our staff may do it for this member now,
    ``confirmed`` whether the password or factor is asked for again: it opens doors."""

    address: str
    permission: str
    title: str
    intro: str
    button: str
    done: str
    history: str
    verb: Callable[..., None]
    form: type[ReasonForm] = ReasonForm
    applies: Callable[[User, User], bool] = lambda _staff, _member: True
    confirmed: bool = False


TASKS = {
    "add_note": Task(
        "note", "staff.add_note", "Add a note", "What should whoever answers this member next know?", "Add the note",
        "The note is added.", "Noted something.", services.note, NoteForm,
    ),
    "resend_code": Task(
        "code", "staff.resend_code", "Send a new code",
        "The code goes to the address the member gave. It works in any browser for half an hour; tell them to open the "
        "link in the mail.",
        "Send a code", "A code is on its way.", "Sent a new code.", services.resend_code,
        applies=lambda _staff, member: not member.is_verified,
    ),
    "correct_email": Task(
        "email", "staff.correct_email", "Correct the email address",
        "For an address that was mistyped at sign-up and never proved. Earlier codes stop working.",
        "Correct it and send a code", "The address is corrected and a code is on its way.",
        "Corrected the email address.", services.correct_email, EmailForm,
        applies=lambda _staff, member: not member.is_verified,
    ),
    "stop_buying": Task(
        "stop-buying", "staff.stop_buying", "Pause buying",
        "The member keeps their balance and their leads, and is told by mail. It can be undone.", "Pause buying",
        "Buying is paused, and the member is told by mail.", "Paused buying.", services.stop_buying,
        applies=lambda staff, member: member.buying_stopped_at is None and services.may_pause(staff, member),
    ),
    "allow_buying": Task(
        "allow-buying", "staff.stop_buying", "Allow buying again", "The member is told by mail.", "Allow buying",
        "The member can buy again, and is told by mail.", "Allowed buying again.", services.allow_buying,
        applies=lambda staff, member: member.buying_stopped_at is not None and services.may_pause(staff, member),
    ),
    "remove_factor": Task(
        "second-factor", "staff.remove_factor", "Remove the second factor",
        "For a member who lost app, passkey and recovery codes. Be sure it is them: whoever has the password gets in "
        "afterwards. They are told by mail and signed out everywhere.",
        "Remove it", "The second factor is removed, and the member is told by mail.", "Removed the second factor.",
        services.remove_factor,
        applies=lambda staff, member: staff.pk != member.pk and has_second_factor(member), confirmed=True,
    ),
    "appoint": Task(
        "roles", "staff.appoint", "Change the roles",
        "What somebody of our staff may do. They and all owners are told by mail, and who is given a role decides "
        "nothing that others ask for within the first day.",
        "Save the roles", "The roles are saved.", "Changed the roles.", services.appoint, RolesForm,
        applies=lambda staff, member: staff.pk != member.pk and member.is_verified, confirmed=True,
    ),
}  # fmt: skip


def tasks_for(staff: User, member: User) -> list[tuple[str, Task]]:
    """What ``staff`` may do for ``member`` now, by the names of the pages."""
    may = {name: one for name, one in TASKS.items() if staff.has_perm(one.permission)}
    return [(f"admin:{name}", one) for name, one in may.items() if one.applies(staff, member)]


@require_http_methods(["GET", "HEAD", "POST"])
def do_task(request: StaffRequest, public_id: str, *, task: Task) -> HttpResponseBase:
    """The page of one task: what it does, why it is done, and then it is done."""
    if not request.user.has_perm(task.permission):
        raise PermissionDenied
    do = recently_confirmed(_do_task) if task.confirmed else _do_task
    return do(request, public_id, task=task)


def _do_task(request: StaffRequest, public_id: str, *, task: Task) -> HttpResponse:
    member = get_object_or_404(User, public_id=public_id)
    if request.method != "POST" and not task.applies(request.user, member):
        messages.warning(request, f"“{task.title}” cannot be done for this member now.")
        return redirect("admin:member", public_id)
    form = task.form(request.POST or None, member=member)
    words = Words(task.title, task.intro, task.button, task.done, task.history, member=member)
    verb = partial(task.verb, request.user, member)
    return form_task(request, form, words, verb, subject=member, back=reverse("admin:member", args=[public_id]))
