from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin
from marketplace.core.money import dollars

from .models import Lead, Supplier, Vertical


@admin.register(Vertical)
class VerticalAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "low_cents", "high_cents", "exclusive_percent"]


@admin.register(Supplier)
class SupplierAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "grade"]


@admin.register(Lead)
class LeadAdmin(ReadOnlyAdmin):
    """Leads as a visitor sees them: the contact is bars here too."""

    list_display = [
        "public_id",
        "vertical",
        "city",
        "state",
        "status",
        "price",
        "slots_sold",
        "slots_total",
        "listed_at",
    ]
    list_filter = ["status", "vertical", "state"]
    list_select_related = ["vertical"]
    search_fields = ["public_id", "supplier_reference"]
    fields = [
        "public_id",
        "vertical",
        "supplier",
        "supplier_reference",
        "city",
        "state",
        "zip_prefix",
        "attributes",
        "name",
        "phone",
        "email",
        "status",
        "price",
        "slots_sold",
        "slots_total",
        "asked_at",
        "listed_at",
        "origin_site",
        "origin_policy_url",
        "is_certified",
    ]
    readonly_fields = ["zip_prefix", "name", "phone", "email", "price"]

    @admin.display(description="Price")
    def price(self, lead: Lead) -> str:
        return dollars(lead.price_cents)

    @admin.display(description="Name")
    def name(self, lead: Lead) -> str:
        return "████████████"

    @admin.display(description="Phone")
    def phone(self, lead: Lead) -> str:
        return "████████████"

    @admin.display(description="Email")
    def email(self, lead: Lead) -> str:
        return "████████████"
