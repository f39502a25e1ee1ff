from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin, member_page

from .models import Acceptance, PolicyVersion


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    list_display = ["document", "number", "effective_on", "sha256"]


@admin.register(Acceptance)
class AcceptanceAdmin(ReadOnlyAdmin):
    list_display = ["id", "member", "version", "accepted_at", "surface"]
    list_select_related = ["user", "version"]
    search_fields = ["user__handle", "user__public_id"]
    search_help_text = "Handle or public id of a member."
    ordering = ["-pk"]
    fields = ["member", "version", "sha256", "surface", "accepted_at"]
    readonly_fields = ["member"]

    @admin.display(description="Member")
    def member(self, acceptance: Acceptance) -> str:
        return member_page(acceptance.user)
