"""Sealed files: what is too large for a column. Each line seals one piece, bound to the file and its place in it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .sealing import CannotOpen, seal_bytes, unseal_bytes

PIECE = 64 * 1024  # bytes


def write_sealed(path: Path, chunks: Iterable[bytes], binding: str) -> None:
    """Write ``chunks`` to a new file at ``path``, sealed for ``binding``; nothing unsealed touches the disk. If that
    breaks off, what is there does not open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    number = 0
    with os.fdopen(handle, "w", encoding="ascii") as file:
        for number, piece in enumerate(_pieces(chunks), start=1):
            file.write(seal_bytes(piece, f"{binding}|{number}") + "\n")
        file.write(seal_bytes(b"", f"{binding}|end after {number}") + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_sealed(path: Path, binding: str) -> Iterator[bytes]:
    """What ``write_sealed`` was given, piece by piece.

    Raises:
        CannotOpen: altered, cut off, sealed for something else, or the key is not in the ring.
        OSError: there is no such file.
    """
    with path.open(encoding="ascii") as file:
        line, number = file.readline(), 1
        while following := file.readline():
            yield unseal_bytes(line.rstrip("\n"), f"{binding}|{number}")
            line, number = following, number + 1
        if unseal_bytes(line.rstrip("\n"), f"{binding}|end after {number - 1}"):
            raise CannotOpen("altered")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """``chunks`` joined to pieces of some size: sealing has a price for each."""
    waiting, size = [], 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
