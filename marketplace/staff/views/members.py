"""One page that answers a call."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.factors import has_second_factor
from accounts.models import User
from marketplace.core.admin import staff_with
from marketplace.ledger import statement as books
from marketplace.ledger.services import wallet_of
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import crediting
from marketplace.purchases.models import Purchase
from marketplace.staff.approvals import about
from marketplace.staff.models import Act
from marketplace.wallet.models import Deposit
from marketplace.wallet.statement import deposits_of, in_words
from privacy.vault.reveals import looks_at

from .pages import page
from .tasks import tasks_for

SHOWN = 10


@require_safe
@staff_with("accounts.view_user")
def member(request: HttpRequest, public_id: str) -> HttpResponse:
    """Balance, payments, purchases, mails and notes of one member, and what can be done for them. No personal detail:
    those take a reason."""
    found = get_object_or_404(User, public_id=public_id)
    context = {"member": found, "tasks": tasks_for(request.user, found), "roles": found.groups.order_by("name")}  # type: ignore[arg-type]
    context["second_factor"] = has_second_factor(found)
    context["requests"] = about(found, request.user, most=SHOWN)  # type: ignore[arg-type]
    context |= _money(request, found) | _work(request, found)
    context["acts"] = Act.objects.filter(member=found).select_related("staff").order_by("-pk")[: 2 * SHOWN]
    context["looks"] = looks_at(found).count()
    return page(request, "member", f"Member {found.handle}", context)


def _money(request: HttpRequest, member: User) -> dict[str, Any]:
    """The balance with its newest movements, the deposits with their state at the processor."""
    if not request.user.has_perm("wallet.view_deposit"):
        return {}
    entries = books.page(member.pk, size=SHOWN).rows
    told = deposits_of(member, entries)
    return {
        "purse": wallet_of(member.pk),
        "disputed": told.disputed,
        "lines": in_words(entries, told),
        "deposits": Deposit.objects.for_user(member).prefetch_related("refunds", "disputes").order_by("-pk")[:SHOWN],
    }


def _work(request: HttpRequest, member: User) -> dict[str, Any]:
    """What was bought, with what came back, and which mails went out."""
    context: dict[str, Any] = {}
    if request.user.has_perm("purchases.view_purchase"):
        bought = Purchase.objects.for_user(member).select_related("lead__vertical").order_by("-pk")
        context["purchases"] = bought[:SHOWN]
        context["asked_whole"] = crediting.asked_whole(context["purchases"])
    if request.user.has_perm("mail.view_outgoingemail"):
        context["mails"] = OutgoingEmail.objects.filter(user=member).order_by("-pk")[:SHOWN]
    return context
