from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

from .models import OutgoingEmail


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(ReadOnlyAdmin):
    """Dead letters (state "Given up") and messages of unknown fate are found by the filter on the right."""

    list_display = ["public_id", "member", "category", "state", "attempts", "problem", "created_at", "sent_at"]
    list_filter = ["state", "category"]
    list_select_related = ["user"]
    fields = ["public_id", "member", "category", "template", "key", "state", "attempts", "problem"]
    readonly_fields = ["member"]
    search_fields = ["public_id", "key"]

    @admin.display(description="Member")
    def member(self, mail: OutgoingEmail) -> str:
        return mail.user.handle if mail.user else "–"
