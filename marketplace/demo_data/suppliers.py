"""The demo's three suppliers: each delivers another form of file, as real ones do, and files that are not all good."""

import csv
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from marketplace.leads.models import Supplier
from marketplace.leads.verticals import BY_SLUG, LABELS

from .requests import Request

Row = dict[str, str]
CONSENT = (
    "By pressing “Get my quotes” I ask {site} and at most {buyers} of the companies named on this page to call me or "
    "to send me text messages about my request ({what}) at the number I gave, also with automatic dialing. I need not "
    "agree to buy anything, and I can take this back at any time. The privacy notice of {site} says what happens to my "
    "data."
)
CANONICAL = (
    "reference", "source_timestamp", "first_name", "last_name", "email", "phone_1", "address_1", "city", "state",
    "postal_code", "vertical", "buyers", "landing_page", "original_source", "trustedform_cert_url", "comments",
    "consent_text", "consent_at", "consent_page", "named_sellers", "consent_provider", "consent_expires",
    "consent_revoked_at", "dnc_checked_on", "origin_site", "origin_policy_url",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A supplier: how good it is, where it collects, and the form of its files. Shares are of 1."""

    slug: str
    name: str
    grade: str
    site: str
    sellers: str
    share: float
    exclusive: float
    certified: float
    answered: float
    encoding: str = "utf-8"
    delimiter: str = ","
    headers: dict[str, str] = field(default_factory=dict, hash=False)  # what it calls our columns


SOURCES = (
    Source(
        "northgate-quotes", "Northgate Quotes", "A", "northgate.example.com",
        "Acme Mutual; Harbor Home Services; Example Brokers", 0.42, exclusive=0.45, certified=0.7, answered=0.98,
    ),
    Source(
        "bluebird-compare", "Bluebird Compare", "B", "bluebird.example.net",
        "Example Brokers; Prairie Partners; Lakeside Group", 0.34, exclusive=0.25, certified=0.35, answered=0.85,
        encoding="utf-8-sig", delimiter=";",
        headers={
            "reference": "Lead ID", "source_timestamp": "Created Time", "first_name": "First Name",
            "last_name": "Last Name", "email": "Email Address", "phone_1": "Phone Number",
            "address_1": "Street Address", "city": "City", "state": "State", "postal_code": "Zip Code",
            "vertical": "Lead Type", "buyers": "Max Buyers", "landing_page": "Page URL",
            "original_source": "Lead Source", "trustedform_cert_url": "xxTrustedFormCertUrl", "comments": "Notes",
            "consent_text": "TCPA Text", "consent_at": "TCPA Timestamp", "consent_page": "TCPA URL",
            "named_sellers": "Sellers", "origin_site": "Website", "origin_policy_url": "Privacy Policy URL",
        },
    ),
    Source(
        "cornerstone-leads", "Cornerstone Leads", "C", "cornerstone.example.org",
        "Example Brokers; Summit Family Services", 0.24, exclusive=0.1, certified=0.08, answered=0.6,
        encoding="cp1252", delimiter="\t",
        headers={
            "first_name": "full_name", "source_timestamp": "created_time", "phone_1": "phone_number",
            "postal_code": "zip_code", "vertical": "product", "reference": "id", "address_1": "address",
        },
    ),
)  # fmt: skip
# What is wrong with some rows of every file.
FAULTS: tuple[Callable[[Row], Row], ...] = (
    lambda row: row | {"phone_1": "555-01"},
    lambda row: row | {"email": row["email"].replace("@", " at ")},
    lambda row: row | {"state": "HI" if row["state"] != "HI" else "ME"},
    lambda row: row | {"postal_code": "00000"},
    lambda row: row | {"consent_revoked_at": row["consent_at"], "phone_1": "", "email": ""},  # of nobody
    lambda row: row | {"comments": "My number is 123-45-6789."},
    lambda row: row | {"buyers": "5"},
    lambda row: row | {"vertical": "pet insurance"},
    lambda row: row | {"source_timestamp": "last Tuesday"},
    lambda row: row | {"source_timestamp": "2019-07-04T12:00:00Z"},
    lambda row: row | {"consent_expires": "2020-01-01"},
    lambda row: row | {"first_name": "", "last_name": ""},
    lambda row: row | {"origin_policy_url": "see our site"},
)


def make_suppliers() -> None:
    """The suppliers with the grades our staff gave them."""
    for source in SOURCES:
        Supplier.objects.get_or_create(slug=source.slug, defaults={"name": source.name, "grade": source.grade})


def pick_source(chance: random.Random) -> Source:
    """One of the suppliers, by their share."""
    return chance.choices(SOURCES, [source.share for source in SOURCES])[0]


def row_of(request: Request, source: Source, chance: random.Random) -> Row:
    """What the supplier tells of a request, under our names."""
    kind = BY_SLUG[request.vertical]
    buyers = 1 if chance.random() < source.exclusive else chance.choice((2, 3, 3))
    asked = request.asked_at.isoformat()
    page = f"https://{source.site}/{request.vertical}"
    certified = chance.random() < source.certified
    token = hashlib.sha256(f"{source.slug}:{request.number}".encode()).hexdigest()[:40]
    return {
        "reference": f"{source.slug[:2].upper()}-{request.number:06d}",
        "source_timestamp": asked,
        "first_name": request.first_name,
        "last_name": request.last_name,
        "email": request.email,
        "phone_1": request.phone,
        "address_1": request.address,
        "city": request.place.city,
        "state": request.place.state,
        "postal_code": request.place.code,
        "vertical": kind.name,
        "buyers": str(buyers),
        "landing_page": page,
        "original_source": chance.choice(("search", "social", "partner site", "newsletter", "direct")),
        "trustedform_cert_url": f"https://cert.example.org/{token}" if certified else "",
        "comments": request.comments,
        "consent_text": CONSENT.format(site=source.site, buyers=("one", "two", "three")[buyers - 1], what=kind.name),
        "consent_at": asked,
        "consent_page": f"{page}/quote",
        "named_sellers": source.sellers,
        "consent_provider": "Example Certificates" if certified else "",
        "consent_expires": (request.asked_at + timedelta(days=540)).isoformat(),
        "consent_revoked_at": "",
        "dnc_checked_on": request.asked_at.date().isoformat(),
        "origin_site": source.site,
        "origin_policy_url": f"https://{source.site}/privacy",
        **{key: text for key, text in request.answers.items() if chance.random() < source.answered},
    }


def without_consent(row: Row) -> Row:
    """The row as a supplier sends it who forgot the consent record."""
    return row | {"consent_text": "", "consent_at": ""}


def with_faults(rows: Sequence[Row], chance: random.Random) -> list[Row]:
    """The rows, and among them copies with something wrong; at the end a few that are sent again. None of none."""
    if not rows:
        return []
    mixed = list(rows)
    for number in range(len(rows) // 130 + 1):
        mixed.insert(chance.randrange(len(mixed) + 1), FAULTS[number % len(FAULTS)](chance.choice(rows)))
    again = [chance.choice(rows) | {"reference": "sent again"} for _ in range(len(rows) // 150 + 1)]
    return mixed + again


def write(rows: Iterable[Row], source: Source, path: Path) -> None:
    """Write a file in the form this supplier delivers; it is there whole or not at all."""
    part = path.with_suffix(".part")
    keys = [*CANONICAL, *LABELS]
    whole_name = source.headers.get("first_name") == "full_name"
    if whole_name:
        keys.remove("last_name")
    with part.open("w", encoding=source.encoding, newline="") as file:
        writer = csv.writer(file, delimiter=source.delimiter)
        writer.writerow(source.headers.get(key, key) for key in keys)
        for row in rows:
            told = row | {"first_name": f"{row['first_name']} {row['last_name']}".strip()} if whole_name else row
            writer.writerow(told.get(key, "") for key in keys)
    part.replace(path)
