"""Card numbers are masked in what people write, however they are written; phones and ids stay."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.cards import MASK, mask_cards
from marketplace.core.ids import new_id

ZEROS = [chr(code) for code in range(0x110000) if unicodedata.decimal(chr(code), None) == 0]


def luhn(number: str) -> int:
    """The digit that makes ``number`` pass the check."""
    return next(last for last in range(10) if passes(f"{number}{last}"))


def passes(number: str) -> bool:
    doubled = (sum(map(int, str(int(digit) * (1 + place % 2)))) for place, digit in enumerate(reversed(number)))
    return sum(doubled) % 10 == 0


def test_it_works():
    assert mask_cards("Card 4242 4242 4242 4242, 12/27, call 614-555-0142") == f"Card {MASK}, 12/27, call 614-555-0142"


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424242",
        "4242-4242-4242-4242",
        "4242\n4242\r\n4242 4242",
        "3782 822463 10005",
        "4222222222222",
        "6304000000000000000"[:18] + str(luhn("6304000000000000000"[:18])),
        "４２４２４２４２４２４２４２４２",
        "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "4242 - 4242 - 4242 - 4242",
        "4242.4242.4242.4242",
        "4242\u200b4242\u200b4242\u200b4242",
        "4242\u20134242\u20134242\u20134242",
        "⁴²⁴²⁴²⁴²⁴²⁴²⁴²⁴²",
    ],
)
def test_a_card_number_is_masked(number):
    assert mask_cards(number) == MASK
    assert mask_cards(f"visa{number}x") == f"visa{MASK}x"


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4243",  # fails the check
        "(614) 555-0142 or +1 614 555 0143",
        "614-555-0142 614-555-0143\n614-555-0144",
        "6145550142\n6145550143",
        "1 614 555 0142 1 614 555 0143",
        "+44 20 7946 0958",
        "2026-11-25 09:40, $1,250.00, 43215-1234",
        "424242424242",
        "42424242424242424242424242",
        "",
    ],
)
def test_other_numbers_stay(text):
    assert mask_cards(text) == text


def test_what_stands_beside_a_number_stays():
    assert mask_cards("614 555 0142 4242 4242 4242 4242").endswith(MASK)
    assert mask_cards("4242 4242 4242 4242 123") == f"{MASK} 123"
    assert mask_cards("first 4242424242424242, then 5555555555554444.") == f"first {MASK}, then {MASK}."


@given(st.data())
def test_no_number_gets_through(data):
    digits = data.draw(st.text("0123456789", min_size=12, max_size=18))
    digits += str(luhn(digits))
    written = ""
    for digit in digits:
        zero = data.draw(st.sampled_from(ZEROS))
        between = data.draw(st.text(" -\n\t\u00a0\u2011.", max_size=3))
        written += chr(ord(zero) + int(digit)) + between
    before, after = data.draw(st.sampled_from([("", ""), ("Card: ", " thanks"), ("x", "y"), ("é\n", "!")]))
    masked = mask_cards(before + written + after)
    assert masked.startswith(before + MASK)
    assert masked.endswith(after)
    assert not any(letter.isdecimal() for letter in masked)
    assert len(masked) <= len(before + written + after)


@given(st.text())
def test_it_is_done_at_once_and_never_longer(text):
    masked = mask_cards(text)
    assert mask_cards(masked) == masked
    assert len(masked) <= len(text)


@given(st.lists(st.from_regex(r"\A[2-9][0-9]{2}[- .]?[2-9][0-9]{2}[- .]?[0-9]{4}\Z"), min_size=1, max_size=5))
def test_phones_stay(phones):
    for text in (", ".join(phones), " or ".join(phones), "\n".join(phones), " +1 ".join(phones)):
        assert mask_cards(text) == text


def test_ids_stay():
    for _ in range(200):
        text = f"lead {new_id()} of order {new_id()}"
        assert mask_cards(text) == text
