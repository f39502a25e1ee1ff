from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

from .models import User


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """Members by handle. Their personal details are bars here."""

    list_display = ["handle", "public_id", "date_joined", "email_verified_at", "is_active", "is_staff"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["handle", "public_id"]
    fields = [
        "handle",
        "public_id",
        "masked_email",
        "masked_phone",
        "date_joined",
        "email_verified_at",
        "adult_stated_at",
        "first_purchase_at",
        "is_active",
        "is_staff",
        "is_superuser",
    ]
    readonly_fields = ["masked_email", "masked_phone"]

    @admin.display(description="Email")
    def masked_email(self, user: User) -> str:
        return "████████████"

    @admin.display(description="Phone")
    def masked_phone(self, user: User) -> str:
        return "████████████" if user.phone else "not given"
