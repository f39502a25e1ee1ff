from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from marketplace.core.admin import ReadOnlyAdmin

from .models import ImportBatch, ImportRow


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
        *("whose", "what_for", "state", "started_at", "ended_at", "rows_in_all", "accepted", "held", "duplicates"),
        *("rejected", "rows_of_it", "by_supplier", "for_the_rest", "kept", "sha256"),
    ]
    readonly_fields = ["whose", "what_for", "rows_in_all", "rows_of_it", "by_supplier", "for_the_rest", "kept"]

    @admin.display(description="Suppliers")
    def whose(self, batch: ImportBatch) -> str:
        return ", ".join(batch.suppliers) or "none"

    @admin.display(description="Lines of business")
    def what_for(self, batch: ImportBatch) -> str:
        return ", ".join(batch.verticals) or "none"

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
        return ", ".join(filter(None, (batch.options.get("supplier"), batch.options.get("vertical")))) or "nothing"

    @admin.display(description="Columns kept as answers")
    def kept(self, batch: ImportBatch) -> str:
        return ", ".join(batch.options.get("keep", ())) or "none"


@admin.register(ImportRow)
class ImportRowAdmin(ReadOnlyAdmin):
    """What became of each row, by line. The values of a row are not kept."""

    list_display = ["batch", "line", "outcome", "reason", "lead"]
    list_filter = ["outcome"]
    list_select_related = ["batch", "lead"]
    search_fields = ["=lead__public_id"]
    search_help_text = "Public id of a lead."
    show_full_result_count = False
    ordering = ["-batch", "line"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A batch links to its rows; as a filter at the side the batches would be too many."""
        return lookup == "batch__id__exact" or super().lookup_allowed(lookup, value, request)
