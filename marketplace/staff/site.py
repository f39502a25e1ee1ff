"""The admin's own site: its doors, its first page, and the pages on which staff do something."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from accounts.staff import give_back, note_use, way_in
from marketplace.core.links import safe_path

View = Callable[..., HttpResponseBase]


class StaffSite(admin.AdminSite):
    """Django's admin for those of our staff who signed in at the same door as everybody, with a second factor."""

    site_header = site_title = "Leadfair support"
    index_title = "What happened on the site"
    index_template = "admin/staff/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may open the admin now. Asked many times for a page, decided once."""
        if not hasattr(request, "_may_open_admin"):
            user = request.user
            request._may_open_admin = bool(user.is_active and user.is_staff and way_in(request) is None)  # type: ignore[attr-defined]
            if request._may_open_admin:  # type: ignore[attr-defined]
                note_use(request)
        return bool(request._may_open_admin)  # type: ignore[attr-defined]

    def admin_view(self, view: View, cacheable: bool = False) -> Any:
        """Django's, but what staff sent while their time ran out is given back instead of being lost, and a NUL in the
        address is told apart from a search: PostgreSQL takes none."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if "%00" in request.META["QUERY_STRING"]:
                raise BadRequest("a NUL in the address")
            if request.method == "POST" and not self.has_permission(request):
                user = request.user
                if not user.is_authenticated or (user.is_active and user.is_staff):
                    return give_back(request, there=(user.is_authenticated and way_in(request)) or "")
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Whoever may not open the admin is sent on: to sign in, to set a second factor up or to use it. For members
        it does not exist."""
        there = safe_path(request.GET.get("next", ""), reverse("admin:index"))
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': there})}")
        if not (request.user.is_active and request.user.is_staff):
            raise Http404
        return HttpResponseRedirect(way_in(request) or there)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Django's, and as whom the reader looks at the site in other windows."""
        viewing = import_module("marketplace.staff.viewing")
        return super().each_context(request) | {"viewing_as": viewing.whom(request)}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Queues and figures first, then the lists."""
        figures = import_module("marketplace.staff.figures")
        return super().index(request, {**(extra_context or {}), **figures.queues_and_figures(request.user)})

    def get_urls(self) -> list[Any]:
        """The task pages before Django's own, which take any two words for an app and a model."""
        urls = import_module("marketplace.staff.urls")  # Django loads the site before the models of the rooms
        return [*urls.pages(self), *super().get_urls()]
