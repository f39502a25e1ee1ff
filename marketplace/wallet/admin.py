from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from marketplace.core.admin import InWords, ReadOnlyAdmin, in_words
from marketplace.core.money import dollars

from . import inbox
from .models import Deposit, Dispute, Refund, StripeEvent


@admin.register(Deposit)
class DepositAdmin(ReadOnlyAdmin):
    """Deposits by handle; the billing details of a member are not shown here."""

    list_display = ["public_id", "member", "state", "amount", "received", "paid_at", "created_at"]
    list_filter = ["state"]
    list_select_related = ["buyer"]
    ordering = ["-id"]
    search_fields = ["public_id", "session_id", "intent_id", "buyer__handle", "buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a deposit, the processor's id of a payment."
    fields = [
        *("public_id", "member", "amount", "received", "state", "session_id", "intent_id"),
        *("created_at", "expires_at", "paid_at"),
    ]
    readonly_fields = ["member", "amount", "received"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, deposit: Deposit) -> str:
        return deposit.buyer.handle

    @admin.display(description="Asked for", ordering="amount_cents")
    def amount(self, deposit: Deposit) -> str:
        return dollars(deposit.amount_cents)

    @admin.display(description="Received", ordering="received_cents")
    def received(self, deposit: Deposit) -> str:
        return dollars(deposit.received_cents)


class MovementAdmin(ReadOnlyAdmin):
    """Money that went back, or may: by the processor's number and the deposit's."""

    list_select_related = ["deposit__buyer"]
    ordering = ["-id"]
    search_fields = ["processor_id", "deposit__public_id", "deposit__buyer__handle", "deposit__buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a deposit, the processor's id."
    readonly_fields = ["number", "member", "amount", "stands"]

    @admin.display(description="Deposit")
    def number(self, row: Refund | Dispute) -> str:
        return row.deposit.public_id

    @admin.display(description="Member", ordering="deposit__buyer__handle")
    def member(self, row: Refund | Dispute) -> str:
        return row.deposit.buyer.handle

    @admin.display(description="State", ordering="state")
    def stands(self, row: Refund | Dispute) -> str:
        return in_words(row.state)

    @admin.display(description="Amount", ordering="amount_cents")
    def amount(self, row: Refund | Dispute) -> str:
        return dollars(row.amount_cents)


@admin.register(Refund)
class RefundAdmin(MovementAdmin):
    list_display = ["processor_id", "member", "stands", "amount", "number", "seen_at"]
    list_filter = [("state", InWords)]
    fields = ["processor_id", "member", "stands", "amount", "number", "seen_at"]


@admin.register(Dispute)
class DisputeAdmin(MovementAdmin):
    list_display = ["processor_id", "member", "stands", "is_open", "amount", "number", "seen_at"]
    list_filter = ["is_open", ("state", InWords)]
    fields = ["processor_id", "member", "stands", "is_open", "amount", "number", "seen_at"]


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox; state "Given up" needs a person, who tries it again when its cause is gone."""

    list_display = ["type", "state", "problem", "tries", "happened_at", "object_id", "event_id"]
    list_filter = ["state", "type"]
    ordering = ["-id"]
    search_fields = ["event_id", "object_id"]
    search_help_text = "The processor's id of an event or of what it is about."
    actions = ["try_again"]  # type: ignore[assignment]

    @admin.display(description="Tries", ordering="attempts")
    def tries(self, event: StripeEvent) -> int:
        return event.attempts

    @admin.action(description="Try again what was given up")
    def try_again(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        revived = inbox.try_again(queryset)
        self.message_user(request, f"{revived} of them will be tried again.", messages.SUCCESS)
