"""The demo cards: Stripe's own test numbers. No other number is accepted, so nobody's real card can end up here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ProcessorError


@dataclass(frozen=True)
class Card:
    """A demo card and what happens when somebody pays with it."""

    meaning: str
    brand: str = "visa"
    decline_code: str | None = None
    message: str = "Your card was declined."
    later: str | None = None
    """A job that follows a moment after the payment."""
    refunds: str = "succeed"
    """What becomes of refunds: succeed, wait (pending, then done) or fail (done, then failed)."""
    fingerprint: str = "Xt5EWLLDS7FJjR1c"


GOOD_CARD = "4242424242424242"

CARDS = {
    GOOD_CARD: Card("pays"),
    "4000000000000002": Card("is declined", decline_code="generic_decline", fingerprint="iUI1EKvqtI6N7YrN"),
    "4000000000000259": Card("pays and is then disputed", later="dispute", fingerprint="uOYvIZ9wKZCV1nwR"),
    "5555555555554444": Card("pays (Mastercard)", brand="mastercard", fingerprint="mM3pH2Xm1JqDkzEt"),
    "4000000000009995": Card(
        "is declined for lack of funds",
        decline_code="insufficient_funds",
        message="Your card has insufficient funds.",
        fingerprint="Aq1nsuFf1c13ntFu",
    ),
    "4000000000001976": Card(
        "pays; later the bank asks a question about it", later="inquire", fingerprint="bQ8yT4wZkP2sVdJm"
    ),
    "4000000000007726": Card("pays; refunds take a while", refunds="wait", fingerprint="cR9zU5xAlQ3tWeKn"),
    "4000000000005126": Card("pays; refunds fail after a while", refunds="fail", fingerprint="dS0aV6yBmR4uXfLo"),
}


def digits(number: str) -> str:
    """The number without the blanks and dashes that people type."""
    return re.sub(r"[\s-]", "", number)


def find_card(number: str) -> Card:
    """The demo card with this number, or `ProcessorError` 402 that does not repeat the number."""
    card = CARDS.get(digits(number))
    if card is None:
        raise ProcessorError(
            "Your card was declined. This demo accepts the demo cards only; please never type a real card number here.",
            status=402,
            type="card_error",
            code="card_declined",
            param="number",
        )
    return card
