"""Keyed digests: equal values can be found, no value can be guessed back without the key."""

import hmac

from .keys import digest_ring


def digest(kind: str, value: str) -> str:
    """The current digest of a normalised ``value``, 64 hex digits; ``kind`` keeps a phone from matching an email."""
    return _of(next(iter(digest_ring().values())), kind, value)


def digests(kind: str, value: str) -> list[str]:
    """The digests under every key of the ring, newest first: what a search must look for while keys change."""
    return [_of(key, kind, value) for key in digest_ring().values()]


def _of(key: bytes, kind: str, value: str) -> str:
    return hmac.digest(key, f"{kind}|{value}".encode(), "sha256").hex()
