from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from marketplace.core.admin import ReadOnlyAdmin
from marketplace.core.money import dollars

from .models import Lead, Supplier, Vertical
from .verticals import label_of


@admin.register(Vertical)
class VerticalAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "lowest", "highest", "exclusive"]
    fields = ["name", "slug", "lowest", "highest", "exclusive", "position"]
    readonly_fields = ["lowest", "highest", "exclusive"]

    @admin.display(description="Lowest price", ordering="low_cents")
    def lowest(self, vertical: Vertical) -> str:
        return dollars(vertical.low_cents)

    @admin.display(description="Highest price", ordering="high_cents")
    def highest(self, vertical: Vertical) -> str:
        return dollars(vertical.high_cents)

    @admin.display(description="Exclusive lead", ordering="exclusive_percent")
    def exclusive(self, vertical: Vertical) -> str:
        return f"{vertical.exclusive_percent}% of the price of a shared one"


@admin.register(Supplier)
class SupplierAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "grade"]


@admin.register(Lead)
class LeadAdmin(ReadOnlyAdmin):
    """Leads as a visitor sees them: the contact is bars here too, and the ZIP code is its first three digits."""

    list_display = ["public_id", "status", "sold", "price", "kind", "city", "state", "listed_at"]
    list_filter = ["status", "vertical", "state"]
    list_select_related = ["vertical"]
    ordering = ["-pk"]
    search_fields = ["public_id", "supplier_reference", "city"]
    search_help_text = "Public id, city, first three digits of the ZIP code, or the supplier's reference."
    fields = [
        "public_id",
        "vertical",
        "supplier",
        "supplier_reference",
        "city",
        "state",
        "zip_prefix",
        "answers",
        "name",
        "phone",
        "email",
        "status",
        "price",
        "sold",
        "asked_at",
        "listed_at",
        "origin_site",
        "origin_policy_url",
        "certificate",
    ]
    readonly_fields = ["zip_prefix", "answers", "name", "phone", "email", "price", "sold", "certificate"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Three to five digits are a ZIP code. No more than what is shown of it can be found out by searching."""
        term = search_term.strip()
        if term.isascii() and term.isdigit() and 3 <= len(term) <= 5:
            return queryset.filter(postal_code__startswith=term[:3]), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="Line of business", ordering="vertical__name")
    def kind(self, lead: Lead) -> str:
        return lead.vertical.name

    @admin.display(description="Price", ordering="price_cents")
    def price(self, lead: Lead) -> str:
        return dollars(lead.price_cents)

    @admin.display(description="Slots sold", ordering="slots_sold")
    def sold(self, lead: Lead) -> str:
        return f"{lead.slots_sold} of {lead.slots_total}"

    @admin.display(description="Independent certificate of consent")
    def certificate(self, lead: Lead) -> str:
        return "on file" if lead.is_certified else "none"

    @admin.display(description="First digits of the ZIP code")
    def zip_prefix(self, lead: Lead) -> str:
        return lead.zip_prefix

    @admin.display(description="Answers")
    def answers(self, lead: Lead) -> SafeString:
        told = ((label_of(key), answer) for key, answer in lead.attributes.items())
        return format_html_join("", "{}: {}<br>", told)

    @admin.display(description="Name")
    def name(self, lead: Lead) -> str:
        return "████████████"

    @admin.display(description="Phone")
    def phone(self, lead: Lead) -> str:
        return "████████████"

    @admin.display(description="Email")
    def email(self, lead: Lead) -> str:
        return "████████████"
