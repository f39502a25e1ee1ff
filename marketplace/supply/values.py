"""Reading one value of a row. Each function takes text as it stands in the file and answers the value in our form.

All of them raise RowRejected with a reason that does not repeat the value.
"""

import re
import unicodedata
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.text import slugify
from phonenumbers.phonemetadata import PhoneMetadata

from accounts.models import STATES
from marketplace.leads.models import MAX_BUYERS
from marketplace.leads.services import normal_phone

from .refusals import RowRejected

MAX_URL = 500
BUYERS = {"1": 1, "2": 2, "3": 3, "exclusive": 1, "shared": MAX_BUYERS}
_STATES = {code.casefold(): code for code, _ in STATES} | {name.casefold(): code for code, name in STATES}
_ZIP = re.compile(r"(?:z:)?([0-9]{3,5})(?:-?[0-9]{4})?", re.IGNORECASE)
_HOST = re.compile(r"(?=.{4,120}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_URL = re.compile(
    r"(https?://)([^/?#]+)(/[!$&-;=@-Z_a-z~%]*)?(?:\?([!$&-;=?-Z_a-z~%\[\]]*))?(?:#[!-~]*)?", re.IGNORECASE
)
_PLAIN_PHONE = re.compile(r"(?:\+?1[-. ]?)?\(?([2-9][0-9]{2})\)?[-. ]?([2-9][0-9]{2})[-. ]?([0-9]{4})")
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_SSN_WRITTEN = re.compile(r"(?<![0-9])[0-9]{3}([-. \u2010-\u2015])[0-9]{2}\1[0-9]{4}(?![0-9])")
_SSN_BARE = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")
_CARD_WRITTEN = re.compile(r"(?<![0-9])[0-9]{4}([- ])(?:[0-9]{6}\1[0-9]{5}|[0-9]{4}\1[0-9]{4}\1[0-9]{1,7})(?![0-9])")
_CARD_BARE = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])")
_PHONE = re.compile(r"(?<![0-9])(?:\+?1[-. ]?)?\(?[0-9]{3}\)?[-. ]{0,2}[0-9]{3}[-. ]?[0-9]{4}(?![0-9])")
_HINT = re.compile(r"@|(?:[0-9][^0-9A-Za-z\n]{0,3}){8}[0-9]")
_EMAIL = re.compile(r"\S@\S")
_ENDS_ADDRESS = re.compile(r"[?&#%]")
_WORD = re.compile(r"[^\W\d_]+")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_DECODINGS = 5


def _us_number() -> re.Pattern[str]:
    """The ten digits of every number in the United States, by the patterns of ``phonenumbers``."""
    found: Any = PhoneMetadata.metadata_for_region("US")
    kinds = (
        found.fixed_line, found.mobile, found.toll_free, found.premium_rate, found.shared_cost, found.personal_number,
        found.voip, found.pager, found.uan, found.voicemail,
    )  # fmt: skip
    patterns = {kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern}
    return re.compile(f"(?=(?:{found.general_desc.national_number_pattern})$)(?:{'|'.join(sorted(patterns))})")


_US_NUMBER = _us_number()


def moment(text: str, name: str) -> datetime:
    """An ISO 8601 moment, in UTC; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RowRejected(f"{name} is not an ISO 8601 time.") from None


def day(text: str, name: str) -> date:
    """An ISO 8601 day, or the day of a moment."""
    return moment(text, name).date()


def phone(text: str) -> str:
    """A US phone number in E.164."""
    text = text.removeprefix("p:")
    plain = _PLAIN_PHONE.fullmatch(text)
    if plain:  # most are written like this, and this is ten times as fast as to leave it all to phonenumbers
        digits = "".join(plain.groups())
        if _US_NUMBER.fullmatch(digits):
            return f"+1{digits}"
    number = normal_phone(text)
    if not number:
        raise RowRejected("phone_1 is not a valid US phone number.")
    return number


def email(text: str) -> str:
    """An email address in lower case; "" for none. What would end the address in a mailto link is refused: nobody has
    it in theirs, and ``ana?bcc=…`` would copy in somebody else."""
    if not text:
        return ""
    if _PLAIN_EMAIL.fullmatch(text):  # a part of what is valid, and most of what comes
        return text.lower()
    try:
        validate_email(text)
        if _ENDS_ADDRESS.search(text):
            raise ValidationError("")
    except ValidationError:
        raise RowRejected("email is not a valid address.") from None
    return text.lower()


def postal_code(text: str) -> str:
    """A ZIP code of five digits; the leading zeros that spreadsheets drop are put back, ZIP+4 is cut."""
    found = _ZIP.fullmatch(text)
    if found is None:
        raise RowRejected("postal_code is not five digits.")
    return found[1].zfill(5)


def state(text: str) -> str:
    """The two letters of a state given by code or name."""
    code = _STATES.get(text.casefold())
    if code is None:
        raise RowRejected("state is not a US state.")
    return code


def buyers(text: str) -> int:
    """How many may buy, 1 to 3. Without a word from the supplier a lead is shared: calling it exclusive would be a
    claim nobody made."""
    number = BUYERS.get(text.casefold()) if text else MAX_BUYERS
    if number is None:
        raise RowRejected(f"buyers is not a number from 1 to {MAX_BUYERS}.")
    return number


@lru_cache(maxsize=64)
def supplier(text: str) -> tuple[str, str]:
    """Slug and name of a supplier."""
    slug = slugify(text)[:40]
    if not slug or len(text) > 80 or not text.isprintable():
        raise RowRejected("supplier is not a name of at most 80 characters.")
    refuse_contact(text, "supplier")
    refuse_identity_numbers(text, "supplier")
    return slug, text


@lru_cache(maxsize=64)
def host(text: str) -> str:
    """The host of a site given by host or address, in lower case."""
    found = _URL.fullmatch(text)
    name = (found[2] if found else text).casefold().rstrip("/")
    if not _HOST.fullmatch(name):
        raise RowRejected("origin_site is not the name of a site.")
    return name


def page(text: str, name: str) -> str:
    """An http or https address without its query and fragment, which often carry what a visitor typed."""
    return url(text.partition("?")[0].partition("#")[0], name)


@lru_cache(maxsize=256)
def url(text: str, name: str) -> str:
    """An http or https address without its fragment."""
    found = _URL.fullmatch(text)
    if found is None or not _HOST.fullmatch(found[2].casefold()):
        raise RowRejected(f"{name} is not an http or https address.")
    address = f"{found[1].lower()}{found[2].lower()}{found[3] or '/'}" + (f"?{found[4]}" if found[4] else "")
    if len(address) > MAX_URL:
        raise RowRejected(f"{name} is longer than {MAX_URL} characters.")
    if _EMAIL.search(_decoded(address, name)):
        raise RowRejected(f"{name} holds an email address.")
    return address


@lru_cache(maxsize=256)
def digits_of(address: str) -> str:
    """All digits of an address of ours, one after the other, encoded ones too."""
    return re.sub(r"[^0-9]", "", _decoded(address, ""))


def _decoded(address: str, name: str) -> str:
    """``address`` without percent-encoding, however often it was encoded."""
    for _ in range(_DECODINGS):
        if not _ENCODED.search(address):
            return _plain(address)
        address = unquote(address)
    raise RowRejected(f"{name} is not an http or https address.")


def words(text: str) -> set[str]:
    """The words of ``text`` that have three letters or more, without case and accents."""
    plain = text.casefold()
    if not plain.isascii():
        apart = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return {word for word in _WORD.findall(plain) if len(word) > 2}


def full_name(text: str) -> tuple[str, str]:
    """First and last name out of one: ``"Ana María López"``, ``"López, Ana María"``."""
    last, comma, first = text.partition(",")
    if comma:
        return first.strip(), last.strip()
    first, _, last = text.rpartition(" ")
    return first.strip(), last


def may_single_out(text: str) -> bool:
    """Whether it is worth while to look closer: an @, or nine digits with little between them."""
    return _HINT.search(_plain(text)) is not None


def refuse_identity_numbers(text: str, name: str, *, bare: bool = True) -> None:
    """No social security and no card number in free text. ``bare`` also takes unbroken digits for one, which is too
    strict for a supplier's own reference numbers."""
    text = _plain(text)
    if _SSN_WRITTEN.search(text) or (bare and _SSN_BARE.search(text)):
        raise RowRejected(f"{name} looks like it holds a social security number, which is never taken in.")
    cards = [*_CARD_WRITTEN.finditer(text), *(_CARD_BARE.finditer(text) if bare else ())]
    if any(_passes_luhn(found[0]) for found in cards):
        raise RowRejected(f"{name} looks like it holds a card number, which is never taken in.")


def refuse_contact(text: str, name: str) -> None:
    """No email and no phone number in what is public or not sealed."""
    text = _plain(text)
    if _EMAIL.search(text) or _PHONE.search(text):
        raise RowRejected(f"{name} holds an email address or a phone number, and it would be public.")


def _plain(text: str) -> str:
    """``text`` with the digits and signs of other scripts in their plain form."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _passes_luhn(text: str) -> bool:
    digits = [int(letter) for letter in reversed(text) if letter.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return any(digits) and (sum(digits[::2]) + doubled) % 10 == 0
