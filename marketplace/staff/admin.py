from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

from .models import Act


@admin.register(Act)
class ActAdmin(ReadOnlyAdmin):
    """What our staff noted and did about members. Written on the page of the member."""

    list_display = ["made_at", "about", "kind", "who", "text"]
    list_filter = ["kind"]
    list_select_related = ["member", "staff"]
    ordering = ["-pk"]
    search_fields = ["member__handle", "member__public_id", "staff__handle"]
    search_help_text = "Handle or public id of a member, or handle of who did it."
    fields = ["made_at", "about", "kind", "who", "text"]
    readonly_fields = ["about", "who"]

    @admin.display(description="About", ordering="member__handle")
    def about(self, act: Act) -> str:
        return act.member.handle

    @admin.display(description="By", ordering="staff__handle")
    def who(self, act: Act) -> str:
        return act.staff.handle
