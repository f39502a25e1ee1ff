"""Files sealed piece by piece: neither is their plain text ever on disk, nor the whole of them in memory.

Form: the id of the key and a line break, then pieces, each with its length in four bytes before it. A piece is sealed
for the file, for its number and for whether it is the last one, so that pieces that are missing, moved or of another
file do not open.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from .sealing import CannotOpen, current_key, seal_bytes, unseal_bytes

PIECE = 256 * 1024  # bytes of plain text
_LONGEST = PIECE + 64
_LENGTH_BYTES = 4


class SealedWriter:
    """Writes a new sealed file at ``path``, for the place ``binding``. Closed before it is finished it is gone."""

    def __init__(self, path: Path, binding: str) -> None:
        self.path, self.binding = path, binding
        self._key_id, self._number, self._rest = current_key(), 0, bytearray()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._file.write(f"{self._key_id}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write(self, plain: bytes) -> None:
        """Add ``plain``; what is no whole piece yet waits for more."""
        self._rest += plain
        while len(self._rest) > PIECE:  # one is always left, to be the last
            self._put(bytes(self._rest[:PIECE]), is_last=False)
            del self._rest[:PIECE]

    def finish(self) -> None:
        """Write the last piece; from now on the file is whole."""
        self._put(bytes(self._rest), is_last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Give the file up, unless it is finished."""
        if not self._file.closed:
            self._file.close()
            self.path.unlink(missing_ok=True)

    def _put(self, plain: bytes, *, is_last: bool) -> None:
        sealed = seal_bytes(plain, _place(self.binding, self._number, is_last=is_last), key_id=self._key_id)
        self._file.write(len(sealed).to_bytes(_LENGTH_BYTES) + sealed)
        self._number += 1


class _Opened(io.RawIOBase):
    """The plain bytes of a sealed file, one piece in memory at a time."""

    def __init__(self, file: BinaryIO, binding: str) -> None:
        self._pieces = _pieces(file, binding)
        self._file, self._piece = file, memoryview(b"")

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: Any) -> int:
        while not self._piece:
            found = next(self._pieces, None)
            if found is None:
                return 0
            self._piece = memoryview(found)
        size = min(len(buffer), len(self._piece))
        buffer[:size], self._piece = self._piece[:size], self._piece[size:]
        return size


@dataclass(frozen=True)
class SealedFile:
    """A sealed file at ``path``, for the place ``binding``."""

    path: Path
    binding: str

    def create(self) -> SealedWriter:
        """Begin it.

        Raises:
            FileExistsError: it is there already.
        """
        return SealedWriter(self.path, self.binding)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its plain bytes, to be read from the beginning.

        Raises:
            OSError: it is not there or cannot be read.
            CannotOpen: while reading: it was altered, cut off, is another file, or its key is not in the ring.
        """
        with self.path.open("rb") as file, io.BufferedReader(_Opened(file, self.binding)) as plain:
            yield plain

    def delete(self) -> None:
        """Remove it; nothing happens if it is gone."""
        self.path.unlink(missing_ok=True)


def key_of_file(path: Path) -> str:
    """The id of the key that sealed the file at ``path``."""
    with path.open("rb") as file:
        return _key_id(file)


def _key_id(file: BinaryIO) -> str:
    return file.readline(16).decode("ascii", "replace").strip()


def _pieces(file: BinaryIO, binding: str) -> Iterator[bytes]:
    key_id, number, is_last = _key_id(file), 0, False
    following = _next_piece(file)
    while not is_last:
        sealed, following = following, _next_piece(file)
        is_last = not following
        yield unseal_bytes(sealed, _place(binding, number, is_last=is_last), key_id=key_id)
        number += 1


def _next_piece(file: BinaryIO) -> bytes:
    length = int.from_bytes(file.read(_LENGTH_BYTES))
    if length > _LONGEST:
        raise CannotOpen("altered")
    return file.read(length)


def _place(binding: str, number: int, *, is_last: bool) -> str:
    return f"{binding}|{number}|{'last' if is_last else 'more'}"
