from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

from .models import Acceptance, PolicyVersion


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    list_display = ["document", "number", "effective_on", "sha256"]


@admin.register(Acceptance)
class AcceptanceAdmin(ReadOnlyAdmin):
    list_display = ["id", "member", "version", "surface", "accepted_at"]
    list_select_related = ["user", "version"]
    fields = ["member", "version", "sha256", "surface", "accepted_at"]
    readonly_fields = ["member"]

    @admin.display(description="Member")
    def member(self, acceptance: Acceptance) -> str:
        return acceptance.user.handle
