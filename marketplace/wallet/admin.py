from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin
from marketplace.core.money import dollars

from .models import Deposit, Dispute, Refund, StripeEvent


@admin.register(Deposit)
class DepositAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "member", "amount", "received", "state", "created_at", "paid_at"]
    list_filter = ["state"]
    list_select_related = ["buyer"]
    search_fields = ["public_id", "session_id", "intent_id", "buyer__handle"]
    fields = ["public_id", "member", "amount", "received", "state", "session_id", "intent_id", "created_at", "paid_at"]
    readonly_fields = ["member", "amount", "received"]

    @admin.display(description="Member")
    def member(self, deposit: Deposit) -> str:
        return deposit.buyer.handle

    @admin.display(description="Asked for")
    def amount(self, deposit: Deposit) -> str:
        return dollars(deposit.amount_cents)

    @admin.display(description="Received")
    def received(self, deposit: Deposit) -> str:
        return dollars(deposit.received_cents)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ["processor_id", "deposit", "amount_cents", "state", "seen_at"]
    search_fields = ["processor_id"]


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ["processor_id", "deposit", "amount_cents", "state", "is_open", "seen_at"]
    list_filter = ["is_open"]
    search_fields = ["processor_id"]
    exclude = ["buyer"]


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox; state "Given up" needs a person."""

    list_display = ["event_id", "type", "state", "attempts", "problem", "happened_at"]
    list_filter = ["state", "type"]
    search_fields = ["event_id", "object_id"]
