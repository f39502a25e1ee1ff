"""Sealed files: nothing unsealed on the disk, and what was altered does not open."""

import pytest

from privacy.vault import files
from privacy.vault.files import read_sealed, write_sealed
from privacy.vault.sealing import CannotOpen

CHUNKS = [b"Priya Raman, ", b"(614) 555-0142", b"", "José".encode()] * 4


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A sealed file of several pieces."""
    monkeypatch.setattr(files, "PIECE", 30)
    path = tmp_path / "new" / "leads.csv"
    write_sealed(path, CHUNKS, "here")
    return path


def test_it_works(path):
    assert b"".join(read_sealed(path, "here")) == b"".join(CHUNKS)
    assert b"Priya" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert len(path.read_text().splitlines()) > 3


def test_nothing_is_a_file_too(tmp_path):
    write_sealed(tmp_path / "x", [], "here")
    assert list(read_sealed(tmp_path / "x", "here")) == []


def test_a_file_is_never_written_over(path):
    with pytest.raises(FileExistsError):
        write_sealed(path, CHUNKS, "here")


def changed(lines, how):
    return {
        "cut off": lines[:-1],
        "cut in the middle": [*lines[:1], *lines[2:]],
        "in another order": [lines[1], lines[0], *lines[2:]],
        "longer": [*lines[:-1], lines[0], lines[-1]],
        "empty": [],
        "altered": [lines[0][:-2] + "AA", *lines[1:]],
    }[how]


@pytest.mark.parametrize("how", ["cut off", "cut in the middle", "in another order", "longer", "empty", "altered"])
def test_what_was_changed_does_not_open(path, how):
    path.write_text("".join(f"{line}\n" for line in changed(path.read_text().splitlines(), how)))
    with pytest.raises(CannotOpen):
        list(read_sealed(path, "here"))


def test_it_opens_for_its_own_place_only(path):
    with pytest.raises(CannotOpen):
        list(read_sealed(path, "there"))
