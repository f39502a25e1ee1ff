from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from marketplace.core.admin import ReadOnlyAdmin, TwoPeopleAdmin, member_page
from marketplace.core.money import dollars

from .models import Credit, Order, Purchase


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "member", "created_at"]
    list_select_related = ["buyer"]
    ordering = ["-pk"]
    search_fields = ["public_id", "buyer__handle", "buyer__public_id", "purchases__lead__public_id"]
    search_help_text = "Handle or public id of a member, public id of an order or of a lead."
    fields = ["public_id", "member", "created_at", "bought", "refused"]
    readonly_fields = ["member", "bought", "refused"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, order: Order) -> SafeString:
        return member_page(order.buyer)

    @admin.display(description="What was bought")
    def bought(self, order: Order) -> SafeString:
        lines = (
            (reverse("admin:purchases_purchase_change", args=[one.pk]), one.lead, dollars(one.price_cents))
            for one in order.purchases.select_related("lead").order_by("pk")
        )
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>: {}', lines)

    @admin.display(description="What was refused")
    def refused(self, order: Order) -> str:
        lines = order.refused.select_related("lead").order_by("pk")
        said = ((line.lead, line.get_reason_display()) for line in lines)
        return format_html_join(mark_safe("<br>"), "{}: {}", said) or "Nothing"


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Who bought what. The buyer's notes and the contact are not shown to staff."""

    list_display = ["public_id", "member", "lead", "price", "slot", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["buyer", "lead"]
    ordering = ["-pk"]
    search_fields = ["public_id", "lead__public_id", "order__public_id", "buyer__handle", "buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a lead, a purchase or an order."
    fields = ["public_id", "order", "member", "lead", "price", "came_back", "slot_number", "stage", "terms_sha256"]
    fields += ["created_at"]
    readonly_fields = ["member", "price", "came_back"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, purchase: Purchase) -> SafeString:
        return member_page(purchase.buyer)

    @admin.display(description="Price", ordering="price_cents")
    def price(self, purchase: Purchase) -> str:
        return dollars(purchase.price_cents)

    @admin.display(description="Given back", ordering="credited_cents")
    def came_back(self, purchase: Purchase) -> str:
        return dollars(purchase.credited_cents)

    @admin.display(description="Slot", ordering="slot_number")
    def slot(self, purchase: Purchase) -> int:
        return purchase.slot_number


@admin.register(Credit)
class CreditAdmin(TwoPeopleAdmin):
    """What was given back of which purchase, and why. Asked for on the page of the member, decided where it waits."""

    sort = "credit"
    list_display = ["public_id", "made_at", "member", "code", "dollars", "state", "asked_by", "decided_by"]
    list_filter = ["state", "code"]
    list_select_related = ["buyer", "maker", "checker"]
    search_fields = ["public_id", "purchase__public_id", "buyer__handle", "buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a purchase or a credit."
    fields = ["public_id", "purchase", "member", "code", "dollars", "asked_by", "made_at", "reason"]
    fields += ["state", "decided_by", "decided_at", "answer", "to_do"]
    readonly_fields = ["member", "dollars", "asked_by", "decided_by", "to_do"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, credit: Credit) -> SafeString:
        return member_page(credit.buyer)

    @admin.display(description="Amount", ordering="amount_cents")
    def dollars(self, credit: Credit) -> str:
        return dollars(credit.amount_cents)
