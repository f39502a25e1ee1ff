from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from marketplace.core.admin import ReadOnlyAdmin, member_page
from marketplace.models import CheckRun, TaskFailure

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
        return member_page(act.member)

    @admin.display(description="By", ordering="staff__handle")
    def who(self, act: Act) -> str:
        return act.staff.handle


@admin.register(CheckRun)
class CheckRunAdmin(ReadOnlyAdmin):
    """What the site found when it looked at its books and at its own work."""

    list_display = ["ended_at", "what", "findings_count", "started_at"]
    list_filter = ["what"]
    ordering = ["-pk"]
    fields = ["what", "started_at", "ended_at", "findings_count", "sentences"]
    readonly_fields = ["sentences"]

    @admin.display(description="The first findings")
    def sentences(self, run: CheckRun) -> SafeString:
        return format_html_join("", "{}<br>", ((sentence,) for sentence in run.first_findings)) or mark_safe("None")


@admin.register(TaskFailure)
class TaskFailureAdmin(ReadOnlyAdmin):
    """Tasks that ended with an error within a day. The worker's log has the place in the code."""

    list_display = ["failed_at", "task", "error"]
    list_filter = ["task"]
    ordering = ["-pk"]
    fields = ["failed_at", "task", "error"]
