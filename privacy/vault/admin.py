from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

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
class MoreRevealsAdmin(ReadOnlyAdmin):
    """Leave to look at more people than one may alone."""

    list_display = ["public_id", "made_at", "who", "state", "allowed_by", "decided_at"]
    list_filter = ["state"]
    list_select_related = ["maker", "checker"]
    ordering = ["-pk"]
    fields = ["public_id", "who", "made_at", "reason", "state", "allowed_by", "decided_at", "answer"]
    readonly_fields = ["who", "allowed_by"]

    @admin.display(description="Who", ordering="maker__handle")
    def who(self, request: MoreReveals) -> str:
        return request.maker.handle

    @admin.display(description="Decided by", ordering="checker__handle")
    def allowed_by(self, request: MoreReveals) -> str:
        return request.checker.handle if request.checker else "–"
