"""Which column of a file holds what: LeadConduit's names and the usual headers of other tools, in one table."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from marketplace.leads.verticals import LABELS

from .refusals import FileRefused

MAX_COLUMNS = 200
MAX_KEY = 40

# canonical name: other headers that mean it, as ``plain`` writes them
FIELDS = {
    "first_name": "firstname first given_name fname",
    "last_name": "lastname last surname family_name lname",
    "full_name": "fullname name contact_name customer_name your_name",
    "email": "email_address emailaddress e_mail mail",
    "phone_1": "phone phone1 phone_number phonenumber primary_phone mobile mobile_phone cell cell_phone telephone",
    "address_1": "address address1 street street_address address_line_1 mailing_address",
    "city": "town",
    "state": "st state_code us_state",
    "postal_code": "zip zip_code zipcode zip5 postcode postal zip_postal_code",
    "reference": "reference_id ref lead_id external_id id",
    "source_timestamp": "created_time created_at created date_created created_date submitted submitted_at "
    "submission_time submission_date timestamp lead_date captured_at datetime date",
    "landing_page": "landing_page_url page_url source_url url",
    "original_source": "source lead_source campaign_source utm_source",
    "trustedform_cert_url": "trusted_form_cert_url xxtrustedformcerturl trustedform trustedform_url certificate_url",
    "universal_leadid": "leadid_token jornaya_leadid jornaya_lead_id jornaya_id",
    "comments": "comment notes message remarks",
    "vertical": "lead_type product product_type line_of_business lob insurance_type",
    "buyers": "max_buyers number_of_buyers slots",
    "supplier": "vendor lead_vendor lead_provider publisher",
    "consent_text": "consent_language tcpa_text tcpa_language tcpa_consent_text disclosure",
    "consent_at": "consent_time consent_timestamp consent_date tcpa_timestamp opt_in_time opt_in_timestamp",
    "consent_page": "consent_url tcpa_url opt_in_url",
    "named_sellers": "sellers named_partners",
    "consent_provider": "consent_certifier",
    "consent_expires": "consent_expires_at consent_expiry",
    "dnc_checked_on": "dnc_checked dnc_check dnc_scrub_date",
    "consent_revoked_at": "consent_revoked revoked_at opted_out_at",
    "origin_site": "site website domain source_site source_domain",
    "origin_policy_url": "privacy_policy_url privacy_policy policy_url",
}
ATTRIBUTES = {
    "property.ownership": "homeowner home_owner own_or_rent ownership",
    "property.type": "property_type home_type",
    "property.roof_age": "roof_age",
    "property.roof_shade": "roof_shade",
    "mortgage.credit": "credit_rating credit_profile",
    "mortgage.loan_amount": "loan_amount",
    "mortgage.purpose": "loan_purpose loan_type",
    "utility.electric.monthly_bill": "electric_bill monthly_electric_bill",
    "insurance.current": "currently_insured",
    "vehicle.count": "vehicles number_of_vehicles",
    "vehicle.year": "vehicle_year",
    "timeframe_days": "timeframe",
}
_NAMES = {alias: name for name, aliases in FIELDS.items() for alias in [name, *aliases.split()]}
_NAMES |= {alias: name for name, aliases in ATTRIBUTES.items() for alias in [name, *aliases.split()]}
_NAMES |= {key: key for key in LABELS}
_RANK = {alias: rank for name, aliases in FIELDS.items() for rank, alias in enumerate([name, *aliases.split()])}
_GROUPS = re.compile(r"(?:insurance|mortgage|property|vehicle|utility\.electric)\.[a-z0-9_.]{1,30}")

REQUIRED = ("phone_1", "postal_code", "source_timestamp")
NAMES = ("last_name", "first_name", "full_name")  # one of them is enough
# What a lead has to have before it may be on sale (DX-16); without it, it is taken in and waits on hold.
NEEDED_FOR_SALE = ("consent_text", "consent_at", "consent_page", "origin_site", "origin_policy_url")


def in_short() -> dict[str, Sequence[str]]:
    """The columns by how much they are needed, for whoever makes a file."""
    others = FIELDS.keys() - {*REQUIRED, *NAMES, *NEEDED_FOR_SALE, "supplier", "vertical"}
    return {"always": REQUIRED, "names": NAMES, "for_sale": NEEDED_FOR_SALE, "others": sorted(others)}


# Names are searched without their separators, because tools also write DateOfBirth and CARDNO; short words that may be
# part of longer ones (dob in "adobe roof") count only where they stand alone.
# Numbers that steal a person's identity or money. A file that has them is refused as a whole (PRODUCT, "Lead").
_DANGEROUS_WORDS = {"ssn", "itin", "cvv", "cvc", "pan"}
_DANGEROUS = re.compile(
    r"^ssn|ssn\d*$|ssn(last|full|num|no$)|soc(ial)?sec|^social(no|num|number)?$|last(4|four)(of)?(ssn|social)|"
    r"^ss(no|num|number)$|^(us|federal|borrower|customer)?tax(payer)?(id|num|no$)|"
    r"^(credit|debit)card$|(credit|debit)cardnum|card(no|num|number)$|card(exp|cvv|cvc|code)|"
    r"^(credit|debit|customer)?cc(no|num|number|cvv|cvc|exp|code)"
)
# What singles a person or a thing out must not become a public attribute, not even on request.
_PERSONAL_WORDS = {
    "first", "last", "middle", "cell", "fax", "dob", "ip", "vin", "dl", "pin", "iban", "lat", "lng", "lon", "owner",
    "insured",
}  # fmt: skip
_PERSONAL = re.compile(
    r"(?<!ad)(?<!adset)(?<!form)(?<!campaign)name(?!nt)|mail|phone|(?<!auto)mobile|^cell(no|num|ular)|address|street|zip|"
    r"postal|postcode|birth|^dob|dob$|ageexact|^ip(v\d|addr)|(user|client|remote|visitor|lead)ip$|useragent|browser|device|"
    r"cookie|(?<!pos)session|clk?id$|clickid|vin(no|num|code|$)|vehicleident|licen[cs]e|plate(no|num|$)|passport|"
    r"policy(no|num|id)|account|routing|password|latitude|longitude|coordinates|"
    r"contact|spouse|beneficiary|applicant|borrower|holder|(co|named)insured|coowner"
)


@dataclass(frozen=True)
class Columns:
    """Where in a row each field and each attribute stands; ``ignored`` names what is not imported.

    A row has ``least`` to ``most`` cells: columns without a name at the end may be left out.
    """

    least: int
    most: int
    fields: dict[str, int]
    attributes: dict[str, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def plain(header: str) -> str:
    """``header`` as the table writes it: ``" Zip-Code "`` → ``"zip_code"``."""
    text = unicodedata.normalize("NFKC", header).casefold().replace("#", " number ")
    return re.sub(r"[^a-z0-9.]+", "_", text).strip("_.")


def recognised(header: Sequence[str]) -> int:
    """How many of these headers mean something to us."""
    return sum(1 for name in header if plain(name) in _NAMES or _GROUPS.fullmatch(plain(name)))


def read_header(header: Sequence[str], *, keep: Sequence[str] = (), has_vertical: bool = False) -> Columns:
    """What the columns of ``header`` are. ``keep`` names further columns that become attributes; ``has_vertical`` says
    that the vertical was given beside the file.

    Raises:
        FileRefused: no header, a column twice, one that may not be taken in, or one that is missing.
    """
    names = [plain(name) for name in header]
    for number, name in enumerate(names, start=1):
        if _speaks_of(name, _DANGEROUS_WORDS, _DANGEROUS):
            raise FileRefused(
                f"Column {number} looks like a social security, tax or card number. Such numbers are never taken in: "
                "remove the column and import the file again."
            )
    if not recognised(header):
        raise FileRefused("The file has no header: its first line names none of the columns we know.")
    kept = _kept(keep, names)
    _check_names(names)
    read = {index: _NAMES.get(name) or (name if name in kept else None) for index, name in enumerate(names)}
    chosen: dict[str, int] = {}
    # Of two columns that mean the same, the one further to the front of the table above is read: phone before mobile.
    for index in sorted((index for index in read if read[index]), key=lambda index: _RANK.get(names[index], 0)):
        chosen.setdefault(str(read[index]), index)
    fields = {name: index for name, index in chosen.items() if name in FIELDS}
    attributes = {name: index for name, index in chosen.items() if name not in FIELDS}
    ignored = [name[:MAX_KEY] for index, name in enumerate(names) if name and index not in chosen.values()]
    _check_required(fields, has_vertical=has_vertical)
    least = max(index for index, name in enumerate(names) if name) + 1
    return Columns(least, len(header), fields, attributes, tuple(ignored))


def unknown(header: Sequence[str]) -> list[str]:
    """The columns that mean nothing to us, as ``plain`` writes them; they are left out unless staff keep them."""
    return [name for name in map(plain, header) if name and name not in _NAMES]


def may_be_kept(name: str) -> bool:
    """Whether a column of this name, as ``plain`` writes it, may become a public attribute."""
    return len(name) <= MAX_KEY and not _speaks_of(name, _PERSONAL_WORDS, _PERSONAL)


def _check_names(names: Sequence[str]) -> None:
    """No name stands twice; columns without a name are not imported and may be many."""
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in seen:
            raise FileRefused(f"Columns {seen[name]} and {number} have the same name. Remove or rename one of them.")
        if name:
            seen[name] = number


def _speaks_of(name: str, words: set[str], parts: re.Pattern[str]) -> bool:
    """Whether ``name`` has one of ``words`` between its separators, or one of ``parts`` when they are left out."""
    alone = {word.rstrip("0123456789") for word in re.split("[._]", name)}
    return bool(alone & words or parts.search(re.sub("[._]", "", name)))


def _kept(keep: Sequence[str], names: Sequence[str]) -> set[str]:
    """The columns staff ticked, as ``plain`` writes them."""
    kept = set()
    for wanted in keep:
        name = plain(wanted)
        if not name or name not in names:
            raise FileRefused("A column that is to be kept is not in the file.")
        if len(name) > MAX_KEY:
            raise FileRefused(f"The name of a column that is to be kept is longer than {MAX_KEY} characters.")
        if _speaks_of(name, _PERSONAL_WORDS, _PERSONAL):
            raise FileRefused(
                f"Column {names.index(name) + 1} cannot be kept: attributes are public and it looks personal."
            )
        kept.add(name)
    return kept


def _check_required(fields: dict[str, int], *, has_vertical: bool) -> None:
    """All that is missing is named at once, so that a file is mended in one go."""
    missing = [name for name in REQUIRED if name not in fields]
    if not set(NAMES) & set(fields):
        missing.append("last_name (or first_name or full_name)")
    if "vertical" not in fields and not has_vertical:
        missing.append("vertical (or name one line of business for all rows)")
    if missing:
        raise FileRefused(f"The file lacks these columns: {', '.join(missing)}.")
