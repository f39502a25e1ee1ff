"""How a task page of the admin answers: the page, the history, and a refusal in its own words."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from marketplace.core.refusals import Refusal


class StaffRequest(HttpRequest):
    """A request of somebody who may open the admin."""

    user: User


def page(request: HttpRequest, name: str, title: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """``admin/staff/<name>.html`` inside the admin."""
    whole = admin.site.each_context(request) | {"title": title} | context
    return render(request, f"admin/staff/{name}.html", whole, status=status)


def form_page(
    request: HttpRequest, title: str, form: Form, context: dict[str, Any], *, refusal: Refusal | None = None
) -> HttpResponse:
    """A page with one form: 422 with every field kept for mistakes, the refusal's status and sentence for a refusal."""
    status = refusal.status if refusal else 422 if form.errors else 200
    response = page(request, "task", title, {"form": form, "refusal": refusal} | context, status=status)
    if refusal and refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def write_history(request: StaffRequest, row: Model, message: str) -> None:
    """Into the admin's history: what was done, by whom, to which row; never a name or a reason (house rule 13)."""
    LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, message, single_object=True)
