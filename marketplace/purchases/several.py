"""Several leads at once: those somebody ticked, what of them can be bought, and what is like the rest."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from marketplace.core.ids import could_be_id
from marketplace.leads.models import Lead

from . import services
from .forms import BuySeveralForm
from .models import Purchase, RefusedLine

SIMILAR_EACH = 2
TO_CHOOSE_FROM = 20  # similar leads beyond those that are dealt, so that they can be near in price


@dataclass(frozen=True)
class Selection:
    """The leads that somebody ticked, in their order, and how many more they named that do not exist."""

    leads: list[Lead]
    unknown: int = 0

    @property
    def address(self) -> str:
        return address_of(lead.public_id for lead in self.leads)


@dataclass(frozen=True)
class Beside:
    """A lead that is not bought, and what can be bought instead: itself if only money or the price stood in the way,
    and similar ones. Who owns the lead misses nothing, and is offered nothing instead."""

    line: RefusedLine
    instead: list[Lead]


def address_of(public_ids: Iterable[str]) -> str:
    """Where buying these leads is confirmed."""
    return f"{reverse('purchases:buy_leads')}?{query_of(public_ids)}"


def query_of(public_ids: Iterable[str]) -> str:
    """These leads as a query string, as the form of the catalogue writes it."""
    return urlencode([("lead", public_id) for public_id in public_ids])


def select(public_ids: Sequence[str]) -> Selection:
    """The leads of these public ids, each given once. One query."""
    shown = Lead.objects.shown().select_related("vertical")
    found = {lead.public_id: lead for lead in shown.filter(public_id__in=filter(could_be_id, public_ids))}
    leads = [found[public_id] for public_id in public_ids if public_id in found]
    return Selection(leads, len(public_ids) - len(leads))


def confirmation(buyer: User, chosen: Selection, *, seen: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What a page says on which ``buyer`` confirms. ``seen`` are the prices that the page before it said, by public id.

    Raises:
        NotVerified, NotAllowed, TermsNotAccepted, BuyingStopped: the buyer may not buy now.
    """
    offer = services.offer_leads(buyer, chosen.leads)
    before = seen or {}
    refused = services.refused_lines(offer.refused, chosen.leads)
    owned = [line.earlier for line in refused if line.earlier and line.is_own]
    return {
        "chosen": chosen,
        "owned": owned,
        "orders": {purchase.order_id for purchase in owned},
        "ordered": max(owned, key=lambda purchase: purchase.pk, default=None),
        "offer": offer,
        "form": BuySeveralForm.of(offer),
        "lines": [(lead, before.get(lead.public_id, lead.price_cents)) for lead in offer.leads],
        "kept": query_of(lead.public_id for lead in offer.leads),
        "refused": beside(buyer, refused, but=chosen.leads),
    }


def beside(buyer: object, lines: Sequence[RefusedLine], *, but: Sequence[Lead]) -> list[Beside]:
    """Each line with up to two leads to buy instead, the nearest in price, no lead twice, none that ``buyer`` owns and
    none of ``but``. Two queries."""
    groups: dict[tuple[int, str], list[RefusedLine]] = defaultdict(list)
    missed = [line for line in lines if not line.is_own]
    for line in missed:
        groups[line.lead.vertical_id, line.lead.state].append(line)
    largest = max(map(len, groups.values()), default=0)
    mine = Purchase.objects.for_user(buyer).values("lead")
    owned = set(mine.filter(lead__in=but).values_list("lead", flat=True))
    others = Lead.objects.exclude(pk__in=mine).exclude(pk__in=[lead.pk for lead in but]).select_related("vertical")
    similar: dict[tuple[int, str], list[Lead]] = defaultdict(list)
    for lead in others.similar_to_each((line.lead for line in missed), SIMILAR_EACH * largest + TO_CHOOSE_FROM):
        similar[lead.vertical_id, lead.state].append(lead)
    found = []
    for line in lines:
        is_free = line.lead.is_on_sale and line.lead.pk not in owned
        itself = [line.lead] if is_free and line.reason in RefusedLine.MAY_STILL_BE_BOUGHT else []
        found.append(Beside(line, itself))
    for one in found * SIMILAR_EACH:  # in rounds: each gets one before any gets two
        if one.line.is_own:
            continue
        if pool := similar[one.line.lead.vertical_id, one.line.lead.state]:
            nearest = min(pool, key=one.line.lead.nearness)
            pool.remove(nearest)
            one.instead.append(nearest)
    return found
