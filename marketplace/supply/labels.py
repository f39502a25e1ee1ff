"""What the columns of files are called on the pages of staff, beside the name that the file itself gives them."""

import re
from collections.abc import Mapping, Sequence

from marketplace.leads.verticals import label_of

from .columns import Columns

LABELS_OF_FIELDS = {
    "first_name": "First name",
    "last_name": "Last name",
    "full_name": "Full name",
    "email": "Email",
    "phone_1": "Phone",
    "address_1": "Street",
    "city": "City",
    "state": "State",
    "postal_code": "ZIP code",
    "reference": "Supplier's reference",
    "source_timestamp": "Time of the request",
    "landing_page": "Landing page",
    "original_source": "Source of the request",
    "trustedform_cert_url": "TrustedForm certificate",
    "universal_leadid": "LeadiD token",
    "comments": "Comments",
    "vertical": "Line of business",
    "buyers": "Number of buyers",
    "supplier": "Supplier",
    "consent_text": "Consent wording",
    "consent_at": "Time of the consent",
    "consent_page": "Page of the consent",
    "named_sellers": "Sellers named in the consent",
    "consent_provider": "Certifier of the consent",
    "consent_expires": "End of the consent",
    "dnc_checked_on": "Do-not-call check",
    "consent_revoked_at": "Consent taken back",
    "origin_site": "Site of origin",
    "origin_policy_url": "Privacy policy of the site",
}
# A reason begins with a capital letter, or else with the name of a column; further names in it are told by their "_".
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.]*|(?<![\w.])[a-z0-9]+(?:_[a-z0-9]+)+")
_LONGEST = 80


def headers_of(columns: Columns, header: Sequence[str]) -> dict[str, str]:
    """What the columns that are read are called in the file with this ``header``, by our names for them."""
    read = columns.fields | columns.attributes
    return {name: written(header[index]) for name, index in read.items()}


def written(header: str) -> str:
    """``header`` as the file has it, on one line."""
    return " ".join(header.split())[:_LONGEST]


def label(name: str) -> str:
    """How the column ``name`` (ours, as ``columns.FIELDS`` has it, or an attribute's key) is called."""
    return LABELS_OF_FIELDS.get(name) or label_of(name)


def with_header(words: str, header: str) -> str:
    """``words``, and what the column is called in the file unless that says the same: ``Phone (column "Cell")``."""
    return words if header.casefold() in ("", words.casefold()) else f'{words} (column "{header}")'


def in_words(reason: str, headers: Mapping[str, str]) -> str:
    """``reason`` with labels in place of our names for columns; ``headers`` as ``headers_of`` gives them:
    ``phone_1 is …`` → ``Phone (column "Cell") is …``."""

    def say(found: re.Match[str]) -> str:
        name, words = found[0], label(found[0])
        if found.start() and words[1:].islower():
            words = words[0].lower() + words[1:]
        return with_header(words, headers.get(name, ""))

    return _NAME.sub(say, reason)
