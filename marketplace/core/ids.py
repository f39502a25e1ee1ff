"""Random public ids: what stands in addresses, so that no primary key does (AL-10)."""

import secrets

# Without vowels and look-alikes: no words arise by chance and an id survives being read over the phone.
ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
LENGTH = 14  # 27**14 is about 2**66


def could_be_id(text: str) -> bool:
    """Whether ``text``, of an address say, can be a public id at all."""
    return 0 < len(text) <= 20 and set(text) <= set(ALPHABET)


def new_id() -> str:
    """A fresh random id of 14 characters, about 66 bits."""
    number = secrets.randbits(128)  # far more than needed, so that the remainders are even
    letters = []
    for _ in range(LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)
