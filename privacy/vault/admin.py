from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin, TwoPeopleAdmin

from .models import MoreReveals, Reveal


@admin.register(Reveal)
class RevealAdmin(ReadOnlyAdmin):
    """Who of our staff looked at whose details, and why."""

    list_display = ["revealed_at", "who", "about", "subject_id", "reason"]
    list_filter = ["about"]
    list_select_related = ["staff"]
    ordering = ["-pk"]
    search_fields = ["subject_id", "staff__handle"]
    search_help_text = "Public id of a member or lead, or handle of who looked."
    fields = ["revealed_at", "who", "about", "subject_id", "reason"]
    readonly_fields = ["who"]

    @admin.display(description="Who", ordering="staff__handle")
    def who(self, reveal: Reveal) -> str:
        return reveal.staff.handle


@admin.register(MoreReveals)
class MoreRevealsAdmin(TwoPeopleAdmin):
    """Leave to look at more people than one may alone."""

    sort = "reveals"
    list_display = ["public_id", "made_at", "asked_by", "state", "decided_by", "decided_at"]
    list_filter = ["state"]
    fields = ["public_id", "asked_by", "made_at", "reason", "state", "decided_by", "decided_at", "answer", "to_do"]
    readonly_fields = ["asked_by", "decided_by", "to_do"]
