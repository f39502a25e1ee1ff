"""Money is whole cents of US dollars, as ``int``; nothing else reaches the ledger."""

import re

CURRENCY = "usd"
MAXIMUM = 10**12  # cents; one number of this size is a mistake, not a payment
_AMOUNT = re.compile(r"\A\$?\s*(\d{1,3}(?:,\d{3}){1,2}|\d{1,9})(?:\.(\d{2}))?\Z", re.ASCII)


class NotMoney(ValueError):
    """The text is no amount of dollars and cents."""

    def __init__(self) -> None:
        super().__init__("Enter an amount in dollars, for example 100 or 100.00.")


def whole_cents(value: object) -> int:
    """``value`` itself if it is an ``int`` from 1 to MAXIMUM cents. The database would round 1.5 in silence, so the
    type is checked here.

    Raises:
        TypeError: ``value`` is no int (a bool, float or Decimal, say).
        ValueError: it is not between 1 and MAXIMUM.
    """
    if type(value) is not int:
        raise TypeError(f"cents must be int, not {type(value).__name__}")
    if not 0 < value <= MAXIMUM:
        raise ValueError(f"cents must be between 1 and {MAXIMUM}")
    return value


def dollars(cents: int) -> str:
    """``123456`` → ``"$1,234.56"``; negative amounts get a true minus sign."""
    sign = "\N{MINUS SIGN}" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}${whole:,}.{rest:02d}"


def parse_dollars(text: str) -> int:
    """What a person typed as dollars, in cents: ``"25"``, ``"25.00"``, ``"$1,250.50"``.

    Raises:
        NotMoney: anything else, for example ``"1.005"``, ``"-5"``, ``"1e9"`` or digits of other scripts.
    """
    match = _AMOUNT.match(text.strip())
    if match is None:
        raise NotMoney
    return int(match[1].replace(",", "")) * 100 + int(match[2] or 0)


def scaled(cents: int, *percents: int) -> int:
    """``cents`` times each percentage, rounded half up to whole cents once, at the end."""
    product, scale = cents, 1
    for percent in percents:
        product *= percent
        scale *= 100
    return (2 * product + scale) // (2 * scale)
