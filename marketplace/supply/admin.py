from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from marketplace.core.admin import ReadOnlyAdmin

from .models import ImportBatch, ImportRow


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyAdmin):
    """Imported files with what came of them; their rows are one link away."""

    list_display = ["__str__", "started_at", "state", "total", "accepted", "held", "duplicates", "rejected"]
    list_filter = ["state"]
    ordering = ["-pk"]
    readonly_fields = ["total", "rows_of_it"]

    @admin.display(description="Rows")
    def rows_of_it(self, batch: ImportBatch) -> SafeString:
        address = reverse("admin:supply_importrow_changelist")
        return format_html('<a href="{}?batch__id__exact={}">Show them</a>', address, batch.pk)


@admin.register(ImportRow)
class ImportRowAdmin(ReadOnlyAdmin):
    """What became of each row, by line. The values of a row are not kept."""

    list_display = ["batch", "line", "outcome", "reason", "lead"]
    list_filter = ["outcome"]
    list_select_related = ["batch", "lead"]
    show_full_result_count = False
    ordering = ["-batch", "line"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A batch links to its rows; as a filter at the side the batches would be too many."""
        return lookup == "batch__id__exact" or super().lookup_allowed(lookup, value, request)
