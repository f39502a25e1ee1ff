from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from marketplace.core.admin import ReadOnlyAdmin, member_page, tell_tried_again

from . import services
from .models import OutgoingEmail


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(ReadOnlyAdmin):
    """Dead letters (state "Given up") and messages of unknown fate are found by the filter on the right."""

    list_display = ["public_id", "member", "state", "sent_at", "created_at", "category", "problem", "tries"]
    list_filter = ["state", "category", "claimed_at"]
    list_select_related = ["user"]
    fields = ["public_id", "member", "category", "template", "key", "state", "sent_at"]
    fields += ["created_at", "attempts", "problem"]
    readonly_fields = ["member"]
    search_fields = ["public_id", "key", "user__handle", "user__public_id"]
    search_help_text = "Handle or public id of a member, public id or key of a message."
    ordering = ["-pk"]
    actions = ["send_again"]  # type: ignore[assignment]

    @admin.display(description="Member", ordering="user__handle")
    def member(self, mail: OutgoingEmail) -> str:
        return member_page(mail.user) if mail.user else "–"

    @admin.display(description="Tries", ordering="attempts")
    def tries(self, mail: OutgoingEmail) -> int:
        return mail.attempts

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mail.change_outgoingemail")

    @admin.action(description="Send again what was given up", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingEmail]) -> None:
        queued = [mail for mail in queryset if services.send_again(request.user, mail)]
        for mail in queued:
            self.log_change(request, mail, f"Queued again after: {mail.problem}")
        tell_tried_again(self, request, len(queued), len(queryset))
