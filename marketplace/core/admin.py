"""The read-only base for tables that only the services may write, and how the admin writes things."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .templatetags.ui import in_words

View = Callable[..., HttpResponseBase]


def staff_with(permission: str) -> Callable[[View], View]:
    """For pages of the admin: who is staff and lacks ``permission`` gets a 403."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def member_page(member: Any) -> SafeString:
    """The handle, linked to the page that answers a call of theirs."""
    return format_html('<a href="{}">{}</a>', reverse("admin:member", args=[member.public_id]), member.handle)


def tell_tried_again(model_admin: admin.ModelAdmin, request: HttpRequest, done: int, chosen: int) -> None:
    """Say how many of the chosen rows are tried again, and that the others cannot be."""
    if done:
        model_admin.message_user(request, f"{done} of {chosen} will be tried again.", messages.SUCCESS)
    else:
        model_admin.message_user(request, "Nothing here was given up and can be tried again.", messages.WARNING)


class InWords(admin.AllValuesFieldListFilter):
    """A filter by the processor's own words, of which we keep no list."""

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield choice | {"display": in_words(str(choice["display"]))}


class ForgivingLists(admin.ModelAdmin):
    """A list asked for by a filter that it does not have is shown whole, with ``?e=1``, as Django itself does for
    values that make no sense."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)
        except (DisallowedModelAdminLookup, DisallowedModelAdminToField) as error:
            raise IncorrectLookupParameters from error


class ReadOnlyAdmin(ForgivingLists):
    """Looked at, never written: no add, change, delete, nor any bulk action. A row that does not exist is a 404, where
    Django would send to the first page."""

    actions = None
    list_per_page = 50
    show_full_result_count = False  # these tables grow without end, and the rows would be counted twice

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only by the filters on the right: any other lookup in the address would let a reader guess a value that
        is bars here, letter by letter."""
        names = (one[0] if isinstance(one, tuple) else one for one in self.list_filter)
        filters = {getattr(name, "parameter_name", name) for name in names}
        return lookup.partition("__")[0] in filters and super().lookup_allowed(lookup, value, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        self._require(request, object_id)
        return super().change_view(request, object_id, form_url, extra_context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        self._require(request, object_id)
        return super().history_view(request, object_id, extra_context)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """The history, which Django shows oldest first, begins with what was done last."""
        if getattr(queryset, "model", None) is LogEntry:
            queryset = queryset.order_by("-action_time", "-pk")
        return super().get_paginator(request, queryset, *args, **kwargs)

    def _require(self, request: HttpRequest, object_id: str) -> None:
        if self.has_view_permission(request) and self.get_object(request, unquote(object_id)) is None:
            raise Http404


class TwoPeopleAdmin(ReadOnlyAdmin):
    """What one person asked for and another decides; done on the page of ``sort`` in the staff room."""

    sort: str

    @admin.display(description="What you can do")
    def to_do(self, row: Any) -> str:
        address = reverse("admin:approval", args=[self.sort, row.public_id])
        what = "Decide it, or take it back" if row.is_waiting else "It is over: see it with what was asked for besides"
        return format_html('<a href="{}">{}</a>', address, what)

    list_select_related = ["maker", "checker"]
    ordering = ["-pk"]

    @admin.display(description="Asked for by", ordering="maker__handle")
    def asked_by(self, row: Any) -> str:
        return str(row.maker.handle)

    @admin.display(description="Decided by", ordering="checker__handle")
    def decided_by(self, row: Any) -> str:
        return str(row.checker.handle) if row.checker else "nobody yet"
