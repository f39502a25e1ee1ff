"""The task pages of the admin, below ``/admin/`` under the names of the admin."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpResponseBase
from django.urls import URLPattern, path

from .views import approvals, finding, members, money, reveals, viewing
from .views.tasks import TASKS, do_task

View = Callable[..., HttpResponseBase]


def pages(site: AdminSite) -> list[URLPattern]:
    """Every page with the doors of the admin in front of it."""

    def page(address: str, view: View, name: str, **kwargs: Any) -> URLPattern:
        return path(address, site.admin_view(view), kwargs, name=name)

    return [
        page("search/", finding.search, "search"),
        page("approvals/", approvals.approvals, "approvals"),
        page("approvals/<slug:sort>/<slug:public_id>/", approvals.approval, "approval"),
        page("approvals/<slug:sort>/<slug:public_id>/take-back/", approvals.take_back, "take_back"),
        page("reveals/more/", reveals.ask_for_more, "ask_for_more"),
        page("members/<slug:public_id>/", members.member, "member"),
        *(page(f"members/<slug:public_id>/{one.address}/", do_task, name, task=one) for name, one in TASKS.items()),
        page("members/<slug:public_id>/reveal/", reveals.reveal_member, "reveal_member"),
        page("members/<slug:public_id>/adjust/", money.ask_adjustment, "ask_adjustment"),
        page("members/<slug:public_id>/view/", viewing.view_as_buyer, "view_as_buyer"),
        page("viewing/end/", viewing.stop_viewing, "stop_viewing"),
        page("leads/<slug:public_id>/reveal/", reveals.reveal_lead, "reveal_lead"),
        page("payments/<slug:intent_id>/settle/", money.ask_resolution, "ask_resolution"),
        page("purchases/<slug:public_id>/credit/", money.ask_credit, "ask_credit"),
    ]
