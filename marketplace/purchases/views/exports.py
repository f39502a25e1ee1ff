"""The files of what a member bought."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.members import MemberRequest
from marketplace.core import csv_export, xlsx_export
from marketplace.core.csv_export import stream_csv
from marketplace.core.downloads import download
from marketplace.core.throttle import throttle
from marketplace.core.xlsx_export import stream_xlsx
from marketplace.purchases import export_jobs, exports
from marketplace.purchases.forms import ExportForm, MyLeadsForm
from marketplace.purchases.models import Export, Purchase

from .my_leads import list_page

EXPORTS_AN_HOUR = 30


@login_required
@require_safe
def export_csv(request: MemberRequest) -> HttpResponseBase:
    """The leads of the current filter as CSV."""
    return _export_at_once(request, Export.Format.CSV)


@login_required
@require_safe
def export_xlsx(request: MemberRequest) -> HttpResponseBase:
    """The leads of the current filter for Excel."""
    return _export_at_once(request, Export.Format.XLSX)


def _export_at_once(request: MemberRequest, wanted: Export.Format) -> HttpResponseBase:
    form = MyLeadsForm(request.GET, member=request.user)
    if not form.is_valid():
        return list_page(request, form, status=422)
    found = form.found(Purchase.objects.for_user(request.user))
    if found.count() > exports.AT_ONCE:  # a link must not start work; the button is on the page it leads to
        return redirect(f"{reverse('purchases:start_export')}?{urlencode({'format': wanted.value} | form.filter)}")
    stream = stream_xlsx if wanted == Export.Format.XLSX else stream_csv
    return stream(f"my-leads.{wanted}", exports.HEADER, exports.rows(found))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start_export(request: MemberRequest) -> HttpResponse:
    """Offer (GET) and have (POST) a file of many leads written; then to the page that shows how far it is."""
    asked = request.POST if request.method == "POST" else request.GET
    form, kind = MyLeadsForm(asked, member=request.user), ExportForm(asked)
    if not (form.is_valid() and kind.is_valid()):
        return list_page(request, form, status=422)
    wanted = Export.Format(kind.cleaned_data["format"])
    number = form.found(Purchase.objects.for_user(request.user)).count()
    if request.method != "POST":
        return render(request, "purchases/start_export.html", {"form": form, "format": wanted, "number": number})
    throttle("exports", request.user.public_id, limit=EXPORTS_AN_HOUR, seconds=3600)
    started = export_jobs.start_export(request.user, wanted, form.filter, rows=number)
    return redirect("purchases:export", started.public_id)


@login_required
@require_safe
def export(request: MemberRequest, public_id: str) -> HttpResponse:
    """How far the file is; it refreshes itself until it is ready."""
    found = get_object_or_404(Export.objects.for_user(request.user), public_id=public_id)
    if found.is_gone:
        raise export_jobs.ExportGone
    is_refreshing = found.is_running and "still" not in request.GET
    response = render(request, "purchases/export.html", {"export": found, "is_refreshing": is_refreshing})
    if is_refreshing:
        response["Refresh"] = "5"  # a header and no script; the page says how to stop it
    return response


@login_required
@require_safe
def export_file(request: MemberRequest, public_id: str) -> HttpResponseBase:
    """The file, once it is ready."""
    found = get_object_or_404(Export.objects.for_user(request.user), public_id=public_id)
    if not found.is_ready:
        return redirect("purchases:export", found.public_id)
    content_type = xlsx_export.CONTENT_TYPE if found.format == Export.Format.XLSX else csv_export.CONTENT_TYPE
    chunks = export_jobs.open_file(found)
    return download(chunks, filename=f"my-leads.{found.format}", content_type=content_type)
