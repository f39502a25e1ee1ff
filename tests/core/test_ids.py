"""Public ids: random, readable, never twice."""

import re

from marketplace.core.ids import ALPHABET, LENGTH, new_id


def test_it_works():
    assert re.fullmatch(rf"[{ALPHABET}]{{{LENGTH}}}", new_id())


def test_no_two_are_alike_and_none_follows_from_another():
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert made != sorted(made)
    starts = {one[:2] for one in made}
    assert len(starts) > len(ALPHABET) ** 2 / 2, "every start is as likely as any other"


def test_no_letter_can_be_taken_for_another():
    assert not set("01aeiouyl") & set(ALPHABET)
