from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin
from marketplace.core.money import dollars

from .models import Order, Purchase


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "member", "created_at"]
    list_select_related = ["buyer"]
    search_fields = ["public_id"]
    fields = ["public_id", "member", "created_at"]
    readonly_fields = ["member"]

    @admin.display(description="Buyer")
    def member(self, order: Order) -> str:
        return order.buyer.handle


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Who bought what. The buyer's notes and the contact are not shown to staff."""

    list_display = ["public_id", "member", "lead", "price", "slot_number", "created_at"]
    list_select_related = ["buyer", "lead"]
    search_fields = ["public_id", "lead__public_id", "buyer__handle"]
    fields = ["public_id", "member", "lead", "price", "slot_number", "stage", "terms_sha256", "created_at"]
    readonly_fields = ["member", "price"]

    @admin.display(description="Buyer")
    def member(self, purchase: Purchase) -> str:
        return purchase.buyer.handle

    @admin.display(description="Price")
    def price(self, purchase: Purchase) -> str:
        return dollars(purchase.price_cents)
