"""What script/test and script/server do on machines that lack something."""

import importlib
import os
import pwd
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "script"

pytestmark = pytest.mark.postgresql  # it needs no database; once is enough


@pytest.fixture
def machine(monkeypatch):
    """script/machine.py, as root on a machine with apt."""
    monkeypatch.syspath_prepend(SCRIPT)
    module = importlib.import_module("machine")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    return module


def answer(monkeypatch, machine, **statuses: list[int]) -> list[str]:
    """Let apt-get end with these statuses; returns what it was asked for."""
    asked = []

    def apt(words):
        asked.append(words[0])
        return statuses[words[0]].pop(0)

    monkeypatch.setattr(machine, "_apt", apt)
    return asked


@pytest.mark.parametrize(
    ("install", "update", "asked"),
    [
        ([0], [], ["install"]),
        ([1, 0], [0], ["install", "update", "install"]),
        ([1, 0], [100], ["install", "update", "install"]),  # one source of many does not answer
    ],
    ids=["known", "lists are old", "a source is away"],
)
def test_packages_are_installed(monkeypatch, machine, install, update, asked):
    said = answer(monkeypatch, machine, install=install, update=update)
    machine.install_debian_packages({"Redis": "redis-server"})
    assert said == asked


def test_what_apt_does_not_have_gets_one_sentence(monkeypatch, machine):
    answer(monkeypatch, machine, install=[1, 1], update=[0])
    with pytest.raises(machine.Refusal, match=r"Missing here: Redis\. apt could not install it"):
        machine.install_debian_packages({"Redis": "redis-server"})


def test_root_without_a_user_for_postgresql_gets_one_sentence(monkeypatch, machine):
    run_tests = importlib.import_module("run_tests")
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(machine.Refusal, match="useradd --system postgres"):
        run_tests._not_root()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run_tests._not_root() is None
