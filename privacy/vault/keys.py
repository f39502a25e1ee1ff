"""Key rings from the environment: the first key makes, every key opens."""

import base64
import binascii
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32


def parse_ring(name: str, text: str) -> dict[str, bytes]:
    """``"b:<base64>,a:<base64>"`` as an ordered mapping of key id to 32 bytes; the first is the current key.

    Raises:
        ImproperlyConfigured: a part is not of that form, a key is not 32 bytes, or an id stands twice, whatever the
            case: SQLite knows no case when it looks for what a key sealed.
    """
    ring: dict[str, bytes] = {}
    taken: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        is_id = key_id.isascii() and key_id.isalnum() and len(key_id) <= 8 and key_id.lower() not in taken
        if not is_id or len(key) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"{name} must hold id:base64-of-32-bytes parts with different ids of up to 8 letters and digits."
            )
        taken.add(key_id.lower())
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured(f"{name} holds no key.")
    return ring


@cache
def _ring(name: str, text: str) -> dict[str, bytes]:
    return parse_ring(name, text)


def sealing_ring() -> dict[str, bytes]:
    """The keys that seal and open."""
    return _ring("SEALING_KEYS", settings.SEALING_KEYS)


def digest_ring() -> dict[str, bytes]:
    """The keys of the search digests."""
    return _ring("DIGEST_KEYS", settings.DIGEST_KEYS)
