"""Card numbers never stay in what people write: a note, a post, a letter to support."""

import re
import unicodedata

MASK = "[card number]"  # no longer than the shortest number, so that a text which fitted still does
SHORTEST, LONGEST = 13, 19  # digits (ISO/IEC 7812)

# Raised, lowered and circled ones, too.
_DIGIT = r"[\d\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u24ea]"
# What may stand between the digits of one number: white space, dashes, dots and what is not seen at all.
_BETWEEN = r"[\s_.\-\u00ad\u058a\u200b-\u200f\u2010-\u2015\u2060-\u2064\u2212\ufe58\ufe63\ufeff\uff0d]{0,3}"
_RUN = re.compile(rf"{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{{SHORTEST - 1},}}")
_GROUP = re.compile(f"{_DIGIT}+")
# Two or more phone numbers of ten digits, one after the other: too long for a card, if every digit belongs to one.
_PHONES = re.compile(r"(?:1? ?[2-9]\d\d ?[2-9]\d\d ?\d{4}(?: |$)){2,}")


def mask_cards(text: str) -> str:
    """``text`` with every card number in it replaced by ``MASK``, and never longer than it was.

    A card number is 13 to 19 digits of any script that pass the Luhn check, with up to three spaces, dashes, dots or
    line breaks between two digits. It starts and ends where a group of digits does. Phones are shorter, and ids have
    letters in them; a list of phones that happens to pass the check in the middle stays as well.
    """
    return _RUN.sub(lambda found: _without_cards(found[0]), text)


def _without_cards(run: str) -> str:
    groups = list(_GROUP.finditer(run))
    digits = [[unicodedata.digit(letter) for letter in group[0]] for group in groups]
    if _PHONES.fullmatch(" ".join("".join(map(str, group)) for group in digits)):
        return run
    masked = [False] * len(groups)
    for first in range(len(groups)):
        number: list[int] = []
        for last in range(first, len(groups)):
            number += digits[last]
            if len(number) > LONGEST:
                break
            if len(number) >= SHORTEST and _passes_luhn(number):
                masked[first : last + 1] = [True] * (last + 1 - first)
    return _with_masks(run, groups, masked)


def _with_masks(run: str, groups: list[re.Match[str]], masked: list[bool]) -> str:
    """``run`` with one mask for each row of neighbours that are ``masked``."""
    said, upto = "", 0
    for number, group in enumerate(groups):
        if not masked[number]:
            continue
        if number == 0 or not masked[number - 1]:
            said += run[upto : group.start()] + MASK
        upto = group.end()
    return said + run[upto:]


def _passes_luhn(number: list[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in number[-2::-2]]
    return (sum(number[-1::-2]) + sum(doubled)) % 10 == 0
