"""Leads for tests: synthetic, made the short way."""

from datetime import timedelta
from itertools import count

from marketplace.core import clock
from marketplace.leads import pricing
from marketplace.leads.models import Consent, ConsentWording, Lead, LeadContact, Supplier, Vertical
from marketplace.leads.services import make_verticals, person_digests
from privacy.policy.services import sha256_of
from privacy.vault.fields import seal_into

WORDING = "I agree to be called about my request by the companies named on this page."
_number = count(1)


def make_lead(
    *,
    vertical: str = "auto-insurance",
    state: str = "OH",
    city: str = "Columbus",
    postal_code: str = "43215",
    buyers: int = 1,
    price_cents: int | None = None,
    hours_old: float = 1,
    phone: str = "",
    email: str = "",
    first_name: str = "Quentin",
    last_name: str = "Testlead",
    **extra: object,
) -> Lead:
    """A lead on sale, with a sealed contact nobody else has unless ``phone`` or ``email`` say so."""
    number = next(_number)
    phone = (
        phone or f"+1614555{number % 100 + 100:04d}"
        if number < 100
        else phone or f"+1{number % 800 + 200}5550{number % 100 + 100}"
    )
    email = email or f"person{number}@example.org"
    make_verticals()
    kind = Vertical.objects.get(slug=vertical)
    supplier, _ = Supplier.objects.get_or_create(slug="test-supply", defaults={"name": "Test Supply", "grade": "B"})
    wording, _ = ConsentWording.objects.get_or_create(sha256=sha256_of(WORDING), defaults={"text": WORDING})
    asked_at = clock.now() - timedelta(hours=hours_old)
    consent = Consent.objects.create(wording=wording, given_at=asked_at, page="https://quotes.example.net/auto")
    band = pricing.age_band(asked_at, clock.now())
    base = pricing.base_price(kind.low_cents, kind.high_cents, 50)
    lead = Lead.objects.create(
        vertical=kind,
        supplier=supplier,
        city=city,
        state=state,
        postal_code=postal_code,
        asked_at=asked_at,
        listed_at=clock.now(),
        status=Lead.Status.OPEN,
        slots_total=buyers,
        base_cents=base,
        price_cents=price_cents
        or pricing.price(base, exclusive_percent=kind.exclusive_percent, slots_total=buyers, band=band or 0),
        age_band=band or 0,
        origin_site="quotes.example.net",
        origin_policy_url="https://quotes.example.net/privacy",
        consent=consent,
        **({"attributes": {"vehicle.count": "2"}} | extra),
    )
    contact = LeadContact(
        lead=lead, **person_digests(phone=phone, email=email, first_name=first_name, last_name=last_name)
    )
    seal_into(
        contact,
        "sealed",
        {"first_name": first_name, "last_name": last_name, "phone_1": phone, "email": email, "address_1": "1 Test St"},
    )
    contact.save(force_insert=True)
    return lead
