"""Sealed files: read back they are what was written; altered, cut off, put together anew, they do not open."""

import tracemalloc

import pytest

from privacy.vault import files
from privacy.vault.files import PIECE, SealedFile, key_of_file
from privacy.vault.sealing import CannotOpen

KEYS = {"a": "a:" + "A" * 43 + "=", "b": "b:" + "B" * 42 + "A="}


@pytest.fixture
def file(tmp_path) -> SealedFile:
    return SealedFile(tmp_path / "folder" / "a.sealed", "a")


def seal(file: SealedFile, *parts: bytes) -> None:
    with file.create() as out:
        for part in parts:
            out.write(part)
        out.finish()


def read(file: SealedFile) -> bytes:
    with file.opened() as plain:
        return plain.read()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_it_works(file, size):
    content = bytes(range(251)) * (size // 251 + 1)
    seal(file, content[: size // 3], content[size // 3 : size])
    assert read(file) == content[:size]
    assert (file.path.stat().st_mode & 0o777, file.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_nothing_of_it_can_be_read(file):
    seal(file, b"Ana Canary, 614-555-0123\n" * 50_000)
    assert b"Canary" not in file.path.read_bytes()


def pieces_of(file: SealedFile) -> list[bytes]:
    """The line with the key, then the pieces as they stand in the file."""
    with file.path.open("rb") as opened:
        found = [opened.readline()]
        while length := opened.read(4):
            found.append(length + opened.read(int.from_bytes(length)))
    return found


CHANGES = {
    "the last piece is gone": lambda parts: parts[:-1],
    "the first piece is gone": lambda parts: parts[:1] + parts[2:],
    "two pieces are swapped": lambda parts: [parts[0], parts[2], parts[1], parts[3]],
    "a piece stands twice": lambda parts: [*parts[:2], *parts[1:]],
    "the end is cut off": lambda parts: [*parts[:-1], parts[-1][:-5]],
    "something follows": lambda parts: [*parts, b"more"],
    "a length beyond all measure follows": lambda parts: [*parts, b"\xff\xff\xff\xff"],
    "a byte is another": lambda parts: [*parts[:-1], parts[-1][:-1] + bytes([parts[-1][-1] ^ 1])],
    "only the key is left": lambda parts: parts[:1],
    "nothing is left": lambda parts: [],
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_file_does_not_open(file, change):
    seal(file, b"x" * (2 * PIECE + 10))
    parts = pieces_of(file)
    assert len(parts) == 4
    file.path.write_bytes(b"".join(CHANGES[change](parts)))
    with pytest.raises(CannotOpen):
        read(file)


def test_another_file_in_its_place_does_not_open(file):
    seal(file, b"x")
    with pytest.raises(CannotOpen):
        read(SealedFile(file.path, "b"))


def test_pieces_of_two_files_do_not_mix(file, tmp_path):
    other = SealedFile(tmp_path / "b.sealed", "b")
    seal(file, b"x" * (PIECE + 1))
    seal(other, b"y" * (PIECE + 1))
    file.path.write_bytes(b"".join([*pieces_of(file)[:2], pieces_of(other)[2]]))
    with pytest.raises(CannotOpen):
        read(file)


def test_a_new_key_seals_and_the_old_one_opens(file, tmp_path, settings):
    settings.SEALING_KEYS = KEYS["a"]
    seal(file, b"x")
    settings.SEALING_KEYS = f"{KEYS['b']},{KEYS['a']}"
    assert read(file) == b"x"
    assert key_of_file(file.path) == "a"
    newer = SealedFile(tmp_path / "b.sealed", "b")
    seal(newer, b"y")
    assert key_of_file(newer.path) == "b"
    settings.SEALING_KEYS = KEYS["b"]
    with pytest.raises(CannotOpen):
        read(file)


def test_given_up_before_it_is_finished_it_is_gone(file):
    with pytest.raises(KeyboardInterrupt), file.create() as out:
        out.write(b"x" * (2 * PIECE))
        raise KeyboardInterrupt
    assert not file.path.exists()


def test_it_never_replaces_another(file):
    seal(file, b"x")
    with pytest.raises(FileExistsError):
        file.create()
    assert read(file) == b"x"
    file.delete()
    file.delete()
    assert not file.path.exists()


def test_memory_stays_flat(file):
    tracemalloc.start()
    with file.create() as out:
        for _ in range(400):
            out.write(bytes(50_000))
        out.finish()
    with file.opened() as plain:
        size = sum(len(part) for part in iter(lambda: plain.read(50_000), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 20_000_000
    assert peak < 10 * files.PIECE
