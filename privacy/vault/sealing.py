"""Authenticated encryption of single columns, bound to the row they stand in, and of the pieces of files.

AES-256-GCM; the key of a value is derived (HKDF-SHA256) from the ring's master key and the binding, and the binding
is authenticated too, so a value copied to another row, column or table does not open. Form of a sealed value:
``key id . base64(nonce + ciphertext)``.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .keys import sealing_ring

NONCE_BYTES = 12


class CannotOpen(Exception):
    """The sealed value was altered, stands in another row, its key is not in the ring, or the vault is ``closed``."""


_is_closed: ContextVar[bool] = ContextVar("is_closed", default=False)


@contextmanager
def closed() -> Iterator[None]:
    """Nothing can be unsealed inside, whoever asks: pages that are shown to somebody else than their owner."""
    token = _is_closed.set(True)
    try:
        yield
    finally:
        _is_closed.reset(token)


def _cipher(master: bytes, binding: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=binding.encode()).derive(master))


def seal(value: dict[str, Any], binding: str) -> str:
    """Seal a JSON object for the place ``binding`` ("table|column|row id").

    Promise: contacts and mail contexts are unreadable at rest (LR-25, DX-14).
    """
    key_id = current_key()
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return f"{key_id}.{base64.b64encode(seal_bytes(plain, binding, key_id=key_id)).decode()}"


def unseal(sealed: str, binding: str) -> dict[str, Any]:
    """The object that ``seal`` was given.

    Raises:
        CannotOpen: wrong row, altered bytes, or no such key; never a plaintext fallback.
    """
    key_id, _, encoded = sealed.partition(".")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CannotOpen("altered") from error
    value: dict[str, Any] = json.loads(unseal_bytes(raw, binding, key_id=key_id))
    return value


def seal_bytes(plain: bytes, binding: str, *, key_id: str) -> bytes:
    """Seal ``plain`` for the place ``binding`` with the key ``key_id`` of the ring."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(sealing_ring()[key_id], binding).encrypt(nonce, plain, binding.encode())


def unseal_bytes(sealed: bytes, binding: str, *, key_id: str) -> bytes:
    """What ``seal_bytes`` was given.

    Raises:
        CannotOpen: see ``unseal``.
    """
    if _is_closed.get():
        raise CannotOpen("closed")
    master = sealing_ring().get(key_id)
    if master is None:
        raise CannotOpen(f"no sealing key {key_id!r}")
    try:
        return _cipher(master, binding).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], binding.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotOpen("altered, or sealed for another place") from error


def current_key() -> str:
    """The id of the key that seals."""
    return next(iter(sealing_ring()))


def key_of(sealed: str) -> str:
    """The id of the key that sealed it."""
    return sealed.partition(".")[0]
