from typing import Any

from allauth.account import admin as allauth_admin  # registers its tables; done here, it cannot do so after us
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa import admin as allauth_mfa_admin
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from phonenumber_field.phonenumber import to_python

from marketplace.core.admin import ReadOnlyAdmin

from .models import User

# Lists of plain addresses and of secrets, and the roles, which are a table in the code.
for table in (EmailAddress, EmailConfirmation, Authenticator, Group):
    if allauth_admin and allauth_mfa_admin and auth_admin and admin.site.is_registered(table):
        admin.site.unregister(table)


class MemberList(ChangeList):
    """Each row leads to the page that answers a call."""

    def url_for_result(self, result: Any) -> str:
        return reverse("admin:member", args=[result.public_id])


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """Members by handle. Their personal details are bars here. Who calls is found by the whole email or phone they
    tell, never by a part, so that nobody can guess one letter by letter."""

    list_display = ["handle", "public_id", "date_joined", "email_verified_at", "is_active", "is_staff"]
    list_filter = ["is_active", "is_staff"]
    ordering = ["-date_joined", "-pk"]
    search_fields = ["handle", "public_id"]
    search_help_text = "Handle, public id, or a whole email address or phone number."
    preserve_filters = False  # what was searched stays in the box and is not carried to other pages
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        whole = search_term.strip()
        phone = to_python(whole, region="US")
        if "@" in whole:
            return queryset.filter(email=whole.lower()), False
        if phone and phone.is_valid():
            return queryset.filter(Q(phone=phone.as_e164) | Q(handle__iexact=whole)), False
        return super().get_search_results(request, queryset, search_term)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return MemberList

    @admin.display(description="Email")
    def masked_email(self, user: User) -> str:
        return "████████████"

    @admin.display(description="Phone")
    def masked_phone(self, user: User) -> str:
        return "████████████" if user.phone else "not given"
