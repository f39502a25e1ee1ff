from allauth.account import admin as allauth_admin  # registers its tables; done here, it cannot do so after us
from allauth.account.models import EmailAddress, EmailConfirmation
from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin

from .forms import StaffSignInForm
from .models import User

admin.site.site_header = admin.site.site_title = "Leadfair support"
admin.site.index_title = "What happened on the site"
admin.site.login_form = StaffSignInForm
for table in (EmailAddress, EmailConfirmation):  # lists of plain addresses
    if allauth_admin and admin.site.is_registered(table):
        admin.site.unregister(table)


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
