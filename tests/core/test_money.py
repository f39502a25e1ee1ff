"""Money is whole cents; nothing else gets in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.money import MAXIMUM, NotMoney, dollars, parse_dollars, scaled, whole_cents


def test_it_works():
    assert parse_dollars("$1,250.50") == 125_050
    assert dollars(125_050) == "$1,250.50"
    assert dollars(-5) == "\N{MINUS SIGN}$0.05"


@pytest.mark.parametrize(
    ("text", "cents"), [("25", 2500), ("25.00", 2500), (" 100 ", 10_000), ("$ 7.05", 705), ("0", 0)]
)
def test_what_people_type(text, cents):
    assert parse_dollars(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "1.005",
        "1e9",
        "NaN",
        "Infinity",
        "١٢",
        "1,00",
        "12,34.00",
        "1.5",
        "10 000",
        "1" * 30,
        "$",
        "5 USD",
        "１２",
        "1,000,000,000",
        "1" + ",000" * 2_000,
        "9" * 5_000,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(NotMoney):
        parse_dollars(text)


@given(st.integers(0, 10**11 - 1))
def test_what_is_shown_can_be_typed(cents):
    assert parse_dollars(dollars(cents)) == cents


@pytest.mark.parametrize("value", [True, 1.0, Decimal(1), "1", None])
def test_only_ints_are_cents(value):
    with pytest.raises(TypeError):
        whole_cents(value)


@pytest.mark.parametrize("value", [0, -1, MAXIMUM + 1])
def test_only_a_sensible_range(value):
    with pytest.raises(ValueError, match="cents"):
        whole_cents(value)


@given(st.integers(0, 10**9), st.integers(0, 400), st.integers(0, 100))
def test_percentages_round_half_up_once(cents, one, two):
    exact = Decimal(cents) * one * two / 10_000
    assert abs(Decimal(scaled(cents, one, two)) - exact) <= Decimal("0.5")
    assert scaled(1, 50) == 1
