from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin, ReadOnlyInline
from marketplace.core.money import dollars

from .models import Order, Purchase


class PurchaseInline(ReadOnlyInline):
    """What was bought with an order."""

    model = Purchase
    verbose_name_plural = "what was bought"
    fields = ["lead", "price", "slot_number", "created_at"]
    readonly_fields = ["price"]

    @admin.display(description="Price")
    def price(self, purchase: Purchase) -> str:
        return dollars(purchase.price_cents)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "member", "created_at"]
    list_select_related = ["buyer"]
    ordering = ["-pk"]
    search_fields = ["public_id", "buyer__handle", "buyer__public_id", "purchases__lead__public_id"]
    search_help_text = "Handle or public id of a member, public id of an order or of a lead."
    fields = ["public_id", "member", "created_at"]
    readonly_fields = ["member"]
    inlines = [PurchaseInline]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, order: Order) -> str:
        return order.buyer.handle


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Who bought what. The buyer's notes and the contact are not shown to staff."""

    list_display = ["public_id", "member", "lead", "price", "slot", "created_at"]
    list_select_related = ["buyer", "lead"]
    ordering = ["-pk"]
    search_fields = ["public_id", "lead__public_id", "order__public_id", "buyer__handle", "buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a lead, a purchase or an order."
    fields = ["public_id", "order", "member", "lead", "price", "slot_number", "stage", "terms_sha256", "created_at"]
    readonly_fields = ["member", "price"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, purchase: Purchase) -> str:
        return purchase.buyer.handle

    @admin.display(description="Price", ordering="price_cents")
    def price(self, purchase: Purchase) -> str:
        return dollars(purchase.price_cents)

    @admin.display(description="Slot", ordering="slot_number")
    def slot(self, purchase: Purchase) -> int:
        return purchase.slot_number
