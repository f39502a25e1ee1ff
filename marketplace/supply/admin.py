from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.core import clock
from marketplace.core.admin import ReadOnlyAdmin
from marketplace.leads.models import Vertical

from . import views, withdrawals
from .columns import plain
from .labels import in_words, label, with_header
from .models import ImportBatch, ImportRow, Upload, Withdrawal
from .uploads import rejects_file, why_no_rejects


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyAdmin):
    """Imported files with what came of them; their rows are one link away. The name of a file is not kept, it may name
    a person."""

    list_display = [
        *("__str__", "whose", "state", "rows_in_all", "accepted", "held", "duplicates", "rejected"),
        *("what_for", "started_at"),
    ]
    list_filter = ["state"]
    ordering = ["-pk"]
    fields = [
        *(
            "whose",
            "what_for",
            "brought_by",
            "state",
            "started_at",
            "ended_at",
            "rows_in_all",
            "accepted",
            "held",
            "duplicates",
        ),
        *("rejected", "reasons", "rows_of_it", "by_supplier", "for_the_rest", "kept", "sha256"),
    ]
    readonly_fields = [
        "whose",
        "what_for",
        "brought_by",
        "rows_in_all",
        "reasons",
        "rows_of_it",
        "by_supplier",
        "for_the_rest",
        "kept",
    ]

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: views.View, name: str) -> URLPattern:
            return path(address, self.admin_site.admin_view(view), name=f"supply_{name}")

        return [
            page("upload/", views.upload, "upload"),
            page("uploads/<slug:public_id>/", views.uploaded, "uploaded"),
            page("uploads/<slug:public_id>/start/", views.start_import, "start_import"),
            page("uploads/<slug:public_id>/cancel/", views.cancel_upload, "cancel_upload"),
            page("<int:batch_id>/rejects/", views.rejects, "rejects"),
            page("<int:batch_id>/withdraw/", views.withdraw, "withdraw"),
            page("<int:batch_id>/undo/", views.undo_withdrawal, "undo_withdrawal"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the files that are on their way in, for those who bring them."""
        may_import = request.user.has_perm(views.MAY_IMPORT)
        live = list(Upload.objects.live().select_related("uploaded_by").order_by("-pk")[:50]) if may_import else []
        extra = {"may_import": may_import, "uploads": live}
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The report, with what can be done about the file."""
        batch = self.get_object(request, object_id)
        extra = self._report(request, batch) if batch else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def _report(self, request: HttpRequest, batch: ImportBatch) -> dict[str, Any]:
        withdrawal = batch.withdrawals.order_by("-pk").first()
        may_withdraw = request.user.has_perm(views.MAY_WITHDRAW)
        stands = withdrawal is not None and withdrawal.undone_at is None
        return {
            "upload": rejects_file(batch, clock.now()) if request.user.has_perm(views.MAY_IMPORT) else None,
            "problem": why_no_rejects(batch),
            "withdrawal": withdrawal,
            "took": withdrawal.leads.count() if withdrawal else 0,
            "came_back": withdrawal.leads.filter(came_back=True).count() if withdrawal else 0,
            "may_undo": may_withdraw and stands,
            "may_withdraw": may_withdraw and not stands and withdrawals.unsold(batch).exists(),
        }

    @admin.display(description="Why rows did not go on sale")
    def reasons(self, batch: ImportBatch) -> str:
        counted = batch.rows.by_reason()
        words = (
            (f"{times:,}", ImportRow.Outcome(outcome).label, in_words(reason, batch.headers))
            for outcome, reason, times in counted
        )
        return format_html_join("", "{} × {}: {}<br>", words) or "Every row went on sale."

    @admin.display(description="Suppliers")
    def whose(self, batch: ImportBatch) -> str:
        return ", ".join(batch.suppliers) or "none"

    @admin.display(description="Lines of business")
    def what_for(self, batch: ImportBatch) -> str:
        return ", ".join(batch.verticals) or "none"

    @admin.display(description="Uploaded by")
    def brought_by(self, batch: ImportBatch) -> str:
        handles = batch.uploads.order_by("pk").values_list("uploaded_by__handle", flat=True)
        return ", ".join(dict.fromkeys(handles)) or "nobody, it came in by command"

    @admin.display(description="Rows")
    def rows_in_all(self, batch: ImportBatch) -> int:
        return batch.total

    @admin.display(description="What became of each row")
    def rows_of_it(self, batch: ImportBatch) -> SafeString:
        address = reverse("admin:supply_importrow_changelist")
        return format_html('<a href="{}?batch__id__exact={}">Show the rows</a>', address, batch.pk)

    @admin.display(description="Leads by supplier")
    def by_supplier(self, batch: ImportBatch) -> str:
        counts = batch.rows.exclude(lead=None).values_list("lead__supplier__name").annotate(Count("pk"))
        return ", ".join(f"{name}: {number:,}" for name, number in counts.order_by("lead__supplier__name")) or "none"

    @admin.display(description="For rows that did not say")
    def for_the_rest(self, batch: ImportBatch) -> str:
        slug = batch.options.get("vertical", "")
        vertical = Vertical.objects.filter(slug=slug).values_list("name", flat=True).first() if slug else ""
        return ", ".join(filter(None, (batch.options.get("supplier"), vertical))) or "nothing"

    @admin.display(description="Columns kept as answers")
    def kept(self, batch: ImportBatch) -> str:
        names = map(plain, batch.options.get("keep", ()))
        return ", ".join(with_header(label(name), batch.headers.get(name, "")) for name in names) or "none"


@admin.register(ImportRow)
class ImportRowAdmin(ReadOnlyAdmin):
    """What became of each row, by line. The values of a row are not kept."""

    list_display = ["batch", "line", "outcome", "why", "lead"]
    list_filter = ["outcome"]
    fields = ["batch", "line", "outcome", "why", "lead"]
    readonly_fields = ["why"]
    list_select_related = ["batch", "lead"]
    search_fields = ["=lead__public_id"]
    search_help_text = "Public id of a lead."
    show_full_result_count = False
    ordering = ["-batch", "line"]

    @admin.display(description="Reason", ordering="reason")
    def why(self, row: ImportRow) -> str:
        return in_words(row.reason, row.batch.headers)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A batch links to its rows; as a filter at the side the batches would be too many."""
        return lookup == "batch__id__exact" or super().lookup_allowed(lookup, value, request)


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    """What was withdrawn, why, and whether it was undone. Made and undone on the page of the file."""

    list_display = ["batch", "reason", "by", "made_at", "number", "undone", "undone_at"]
    list_select_related = ["batch", "made_by", "undone_by"]
    ordering = ["-pk"]
    fields = ["batch", "reason", "by", "made_at", "withdrawn_at", "number", "undone", "undone_at", "came_back"]
    readonly_fields = ["by", "number", "undone", "came_back"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        took = Count("leads")
        return super().get_queryset(request).annotate(took=took, back=Count("leads", filter=Q(leads__came_back=True)))

    @admin.display(description="By", ordering="made_by__handle")
    def by(self, withdrawal: Withdrawal) -> str:
        return withdrawal.made_by.handle

    @admin.display(description="Undone by", ordering="undone_by__handle")
    def undone(self, withdrawal: Withdrawal) -> str:
        return withdrawal.undone_by.handle if withdrawal.undone_by else "–"

    @admin.display(description="Leads")
    def number(self, withdrawal: Any) -> int:
        return int(withdrawal.took)

    @admin.display(description="Leads that came back")
    def came_back(self, withdrawal: Any) -> int:
        return int(withdrawal.back)
