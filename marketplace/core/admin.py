"""The read-only base for tables that only the services may write."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Looked at, never written: no add, change, delete, nor any bulk action."""

    actions = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only by the filters on the right: any other lookup in the address would let a reader guess a value that
        is bars here, letter by letter."""
        return lookup.partition("__")[0] in self.list_filter and super().lookup_allowed(lookup, value, request)
