"""The pages of the admin on which staff bring files of leads in, and withdraw what is left of them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from marketplace.core import clock
from marketplace.core.admin import staff_with
from marketplace.core.csv_export import CONTENT_TYPE
from marketplace.core.downloads import download
from marketplace.core.refusals import Refusal, say_when

from . import uploads, withdrawals
from .columns import in_short
from .files import Sealing
from .forms import ColumnsForm, RejectsForm, UploadForm, WithdrawForm
from .models import ImportBatch, Upload, Withdrawal
from .previews import preview
from .refusals import FileRefused
from .uploads import AlreadyHere

MAY_IMPORT = "supply.add_importbatch"
MAY_WITHDRAW = "supply.change_importbatch"
REFRESH_SECONDS = "5"
FOLLOWS = " The rest follows within a minute."
View = Callable[..., HttpResponseBase]


class StaffRequest(HttpRequest):
    """A request of somebody who may open the admin."""

    user: User


@csrf_exempt  # by the outer view alone: the token is looked for in _upload, once the file is sealed as it arrives
@staff_with(MAY_IMPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: StaffRequest) -> HttpResponseBase:
    """A file, sealed while it arrives; whatever is wrong with it as a whole is said here."""
    sealing = Sealing(request)
    request.upload_handlers = [sealing]
    try:
        return _upload(request, sealing)
    finally:
        sealing.close()


@csrf_protect
def _upload(request: StaffRequest, sealing: Sealing) -> HttpResponseBase:
    if request.method != "POST":
        return _upload_page(request, UploadForm())
    request.POST  # noqa: B018 - reads the request, so that what became of the file is known
    form = UploadForm(request.POST, request.FILES, is_too_large=sealing.is_too_large)
    if not form.is_valid():
        return _upload_page(request, form, status=422)
    chosen = {name: form.cleaned_data[name] for name in ("supplier", "vertical")}
    try:
        found = uploads.receive(request.user, sealing.public_id, **chosen)
    except FileRefused as refusal:
        form.add_error("file", refusal.message)
        return _upload_page(request, form, status=refusal.status, known=refusal)
    sealing.is_wanted = True
    return redirect("admin:supply_uploaded", found.public_id)


def _upload_page(
    request: HttpRequest, form: UploadForm, *, status: int = 200, known: FileRefused | None = None
) -> HttpResponse:
    here = known if isinstance(known, AlreadyHere) else None
    return _page(
        request, "upload", "Upload a file of leads", {"form": form, "here": here, "columns": in_short()}, status=status
    )


@require_safe
@staff_with(MAY_IMPORT)
def uploaded(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """Where an upload stands: looked at, on its way in with how far it is, refused, or off to its report."""
    found = get_object_or_404(Upload, public_id=public_id)
    if found.state == Upload.State.PREVIEW:
        return _preview_page(request, found)
    if found.state == Upload.State.DONE:
        return redirect("admin:supply_importbatch_change", found.batch_id)
    is_running = found.state in Upload.LIVE
    is_refreshing = is_running and "still" not in request.GET
    batch = ImportBatch.objects.filter(sha256=found.sha256).first()
    context = {"upload": found, "batch": batch, "is_running": is_running, "is_refreshing": is_refreshing}
    title = "The file is coming in" if is_running else f"The file was {found.get_state_display().lower()}"
    response = _page(request, "uploaded", title, context)
    if is_refreshing:
        response["Refresh"] = REFRESH_SECONDS  # a header and no script; the page says how to stop it
    return response


def _preview_page(request: HttpRequest, found: Upload, *, data: Any = None) -> HttpResponse:
    try:
        seen = preview(found)
    except FileRefused as refusal:
        return _page(request, "uploaded", "The file was refused", {"upload": found, "refusal": refusal}, status=422)
    form = ColumnsForm(data, preview=seen)
    context = {"upload": found, "preview": seen, "form": form, "goes_on": uploads.goes_on(found)}
    return _page(request, "preview", "Look at the file", context, status=422 if form.errors else 200)


@require_POST
@staff_with(MAY_IMPORT)
def start_import(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """Let the file in; pressed twice it is let in once."""
    found = get_object_or_404(Upload, public_id=public_id)
    try:
        if found.state == Upload.State.PREVIEW:
            form = ColumnsForm(request.POST, preview=preview(found))
            if not form.is_valid():
                return _preview_page(request, found, data=request.POST)
            uploads.start(found, keep=form.cleaned_data["keep"])
    except FileRefused as refusal:
        return _page(request, "uploaded", "The file was refused", {"upload": found, "refusal": refusal}, status=422)
    return redirect("admin:supply_uploaded", public_id)


@require_POST
@staff_with(MAY_IMPORT)
def cancel_upload(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """Delete a file that was only looked at."""
    found = get_object_or_404(Upload, public_id=public_id)
    if not uploads.cancel(found) and found.state != Upload.State.CANCELLED:
        return redirect("admin:supply_uploaded", public_id)
    messages.success(request, "The file was deleted. Nothing of it came in.")
    return redirect("admin:supply_importbatch_changelist")


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with(MAY_IMPORT)
def rejects(request: StaffRequest, batch_id: int) -> HttpResponseBase:
    """The rows that did not go on sale, as a file for the supplier, for as long as they are kept, and for a reason."""
    batch = get_object_or_404(ImportBatch, pk=batch_id)
    found = uploads.rejects_file(batch, clock.now())
    if found is None:
        context = {"batch": batch, "problem": uploads.why_no_rejects(batch)}
        return _page(request, "rejects_gone", "These rows are not kept", context, status=410)
    form = RejectsForm(request.POST or None)
    context = {"batch": batch, "form": form, "number": batch.total - batch.accepted}
    if not form.is_valid():
        return _page(request, "rejects", "What did not go on sale", context, status=422 if form.is_bound else 200)
    try:
        parts = uploads.download_rejects(request.user, found, batch, reason=form.cleaned_data["reason"])
    except Refusal as refusal:
        context["refusal"] = refusal
        page = _page(request, "rejects", "What did not go on sale", context, status=refusal.status)
        return say_when(page, refusal)
    _log(request, batch, f"Downloaded the rows that did not go on sale: {context['number']:,}.")
    return download(parts, filename=f"import-{batch.pk}-not-on-sale.csv", content_type=CONTENT_TYPE)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with(MAY_WITHDRAW)
def withdraw(request: StaffRequest, batch_id: int) -> HttpResponseBase:
    """Take what was not sold of a file off sale, with a reason."""
    batch = get_object_or_404(ImportBatch, pk=batch_id)
    form = WithdrawForm(request.POST or None)
    number = withdrawals.unsold(batch).count()
    context = {"batch": batch, "form": form, "number": number}
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return _page(request, "withdraw", "Withdraw the unsold rest", context, status=status)
    try:
        done = withdrawals.withdraw(request.user, batch, reason=form.cleaned_data["reason"])
    except Refusal as refusal:
        return _page(
            request, "withdraw", "Withdraw the unsold rest", context | {"refusal": refusal}, status=refusal.status
        )
    _say_withdrawn(request, batch, done)
    return _to_report(request, batch)


def _say_withdrawn(request: StaffRequest, batch: ImportBatch, done: Withdrawal) -> None:
    leads, is_over = _leads(done.leads.count()), done.withdrawn_at is not None
    began = f"Withdrew the unsold rest: {leads}." if is_over else f"Began to withdraw the unsold rest: {leads} so far."
    _log(request, batch, began)
    messages.success(request, f"Off sale: {leads}.{'' if is_over else FOLLOWS}")


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with(MAY_WITHDRAW)
def undo_withdrawal(request: StaffRequest, batch_id: int) -> HttpResponseBase:
    """Put back what a withdrawal took."""
    batch = get_object_or_404(ImportBatch, pk=batch_id)
    standing = batch.withdrawals.standing().first()
    context: dict[str, Any] = {"batch": batch, "number": standing.leads.count() if standing else 0}
    if request.method != "POST":
        return _page(request, "undo_withdrawal", "Undo the withdrawal", context)
    try:
        done = withdrawals.undo(request.user, batch)
    except Refusal as refusal:
        return _page(
            request, "undo_withdrawal", "Undo the withdrawal", context | {"refusal": refusal}, status=refusal.status
        )
    _say_undone(request, batch, done)
    return _to_report(request, batch)


def _say_undone(request: StaffRequest, batch: ImportBatch, done: Withdrawal) -> None:
    leads, is_over = _leads(done.leads.filter(came_back=True).count()), done.put_back_at is not None
    began = (
        f"Undid the withdrawal: {leads} came back."
        if is_over
        else f"Began to undo the withdrawal: {leads} came back so far."
    )
    _log(request, batch, began)
    messages.success(request, f"Back again: {leads}.{'' if is_over else FOLLOWS}")


def _leads(number: int) -> str:
    return f"{number:,} lead{'' if number == 1 else 's'}"


def _to_report(request: HttpRequest, batch: ImportBatch) -> HttpResponseRedirect:
    return redirect("admin:supply_importbatch_change", batch.pk)


def _page(request: HttpRequest, name: str, title: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    whole = admin.site.each_context(request) | {"title": title, "opts": ImportBatch._meta} | context
    return render(request, f"admin/supply/{name}.html", whole, status=status)


def _log(request: StaffRequest, batch: ImportBatch, message: str) -> None:
    """Into the admin's history; counts only, never a name or a reason."""
    LogEntry.objects.log_actions(request.user.pk, [batch], CHANGE, message, single_object=True)
