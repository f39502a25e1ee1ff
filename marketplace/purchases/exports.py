"""A member's leads as a file for a CRM or dialler: field names as LeadConduit has them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from marketplace.core.csv_export import Cell

from .models import CallAttempt, Note, PurchaseQuerySet
from .services import open_contact

HEADER = (
    "lead_id",
    "bought_at",
    "stage",
    "vertical",
    "first_name",
    "last_name",
    "phone_1",
    "email",
    "address_1",
    "city",
    "state",
    "postal_code",
    "answers",
    "price_usd",
    "asked_at",
    "origin",
    "consent_at",
    "consent_page",
    "consent_sha256",
    "certificate_url",
    "consent_revoked_at",
    "do_not_call",
    "notes",
    "calls",
    "last_call_at",
    "last_call",
    "next_call_at",
    "dnc_checked_on",
)
UNAVAILABLE = "unavailable"
BATCH = 500
AT_ONCE = 5_000  # rows; more are written by a worker


def rows(purchases: PurchaseQuerySet) -> Iterator[list[Cell]]:
    """The cells of each purchase under HEADER, newest first, read in batches; times are UTC, the price is dollars.

    Phones are written as ``(614) 555-0142``, not in E.164: a cell that starts with "+" would be computed by a
    spreadsheet or need a leading apostrophe, which diallers refuse. A contact that cannot be opened is "unavailable".
    """
    loaded = purchases.select_related("lead__vertical", "lead__contact", "lead__consent__wording")
    loaded = loaded.with_wishes().with_calls()
    loaded = loaded.prefetch_related(Prefetch("notes", Note.objects.kept().order_by("id"))).order_by("-id")
    last = None
    while True:
        # By key, batch after batch: one long query would hold the database for as long as somebody's line is slow.
        batch = list(loaded.filter(pk__lt=last)[:BATCH] if last else loaded[:BATCH])
        for purchase in batch:
            yield _cells(purchase)
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


def _cells(purchase: Any) -> list[Cell]:
    """One line; ``purchase`` comes with what ``with_wishes`` and ``with_calls`` add."""
    lead, contact, consent = purchase.lead, open_contact(purchase), purchase.lead.consent
    return [
        lead.public_id,
        purchase.created_at,
        purchase.get_stage_display(),
        lead.vertical.name,
        contact.first_name if contact else UNAVAILABLE,
        contact.last_name if contact else "",
        contact.phone_shown if contact else "",
        contact.email if contact else "",
        contact.address if contact else "",
        lead.city,
        lead.state,
        lead.postal_code,
        "; ".join(f"{question}: {answer}" for question, answer in lead.answers),
        Decimal(purchase.price_cents).scaleb(-2),
        lead.asked_at,
        lead.origin_site,
        consent.given_at if consent else None,
        consent.page if consent else "",
        consent.wording.sha256 if consent else "",
        consent.certificate_url if consent else "",
        consent.revoked_at if consent else None,
        "" if purchase.may_be_called else "yes",
        "\n".join(note.text for note in purchase.notes.all()),
        purchase.calls_made,
        purchase.last_called_at,
        CallAttempt.Outcome(purchase.last_outcome).label if purchase.last_outcome else "",
        purchase.planned_call,
        purchase.dnc_checked_on,
    ]
