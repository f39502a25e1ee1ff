"""Authenticated encryption of single columns, bound to the row they stand in.

AES-256-GCM; the key of a value is derived (HKDF-SHA256) from the ring's master key and the binding, and the binding
is authenticated too, so a value copied to another row, column or table does not open. Form of a sealed value:
``key id . base64(nonce + ciphertext)``.
"""

import base64
import binascii
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .keys import sealing_ring

NONCE_BYTES = 12


class CannotOpen(Exception):
    """The sealed value was altered, stands in another row, or its key is not in the ring."""


def _cipher(master: bytes, binding: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=binding.encode()).derive(master))


def seal(value: dict[str, Any], binding: str) -> str:
    """Seal a JSON object for the place ``binding`` ("table|column|row id").

    Promise: contacts and mail contexts are unreadable at rest (LR-25, DX-14).
    """
    return seal_bytes(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), binding)


def unseal(sealed: str, binding: str) -> dict[str, Any]:
    """The object that ``seal`` was given.

    Raises:
        CannotOpen: wrong row, altered bytes, or no such key; never a plaintext fallback.
    """
    value: dict[str, Any] = json.loads(unseal_bytes(sealed, binding))
    return value


def seal_bytes(plain: bytes, binding: str) -> str:
    """Seal any bytes for the place ``binding``."""
    key_id, master = next(iter(sealing_ring().items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = _cipher(master, binding).encrypt(nonce, plain, binding.encode())
    return f"{key_id}.{base64.b64encode(nonce + sealed).decode()}"


def unseal_bytes(sealed: str, binding: str) -> bytes:
    """The bytes that ``seal_bytes`` was given.

    Raises:
        CannotOpen: see ``unseal``.
    """
    key_id, _, encoded = sealed.partition(".")
    master = sealing_ring().get(key_id)
    if master is None:
        raise CannotOpen(f"no sealing key {key_id!r}")
    try:
        raw = base64.b64decode(encoded, validate=True)
        return _cipher(master, binding).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], binding.encode())
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise CannotOpen("altered, or sealed for another row") from error


def key_of(sealed: str) -> str:
    """The id of the key that sealed it."""
    return sealed.partition(".")[0]
