"""What the machine must have: Python packages in the checkout's .venv and, for the tests, programs of Debian's."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import children
from children import Refusal, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time makes and fills .venv; a second command started meanwhile waits."""
    with (ROOT / "requirements.txt").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def environment() -> dict[str, str]:
    """The caller's environment for a program of .venv's. pip leaves compiling to the first use, so that may write."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def install_python_packages(*names: str) -> None:
    """See to it that .venv has what these requirements files name, which costs nothing when they have not changed.

    Raises:
        Refusal: the folder cannot be written to, or pip failed.
    """
    with _alone():
        outdated = [name for name in names if _stamp(name) != (ROOT / name).read_text()]
        if not outdated and _works(PYTHON, "sys"):
            return
        _make_venv()
        say(f"Installing the packages of {' and '.join(outdated or names)}; the first time this takes a minute ...")
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
        files = [word for name in outdated or names for word in ("-r", name)]
        if children.run([PYTHON, "-m", "pip", "install", *options, *files], cwd=ROOT):
            raise Refusal("pip could not install the packages (its words are above); start again when they can be had.")
        for name in names:
            (VENV / f"installed-{name}").write_text((ROOT / name).read_text())


def _stamp(name: str) -> str | None:
    """The requirements file as it was when its packages were installed."""
    stamp = VENV / f"installed-{name}"
    return stamp.read_text() if stamp.exists() else None


def _works(python: str | Path, module: str) -> bool:
    try:
        return not subprocess.run([python, "-c", f"import {module}"], stderr=subprocess.DEVNULL, check=False).returncode
    except OSError:
        return False


def without_venv() -> dict[str, str]:
    """What this Python lacks to make a .venv, {what it is: Debian package}; nothing where there is one."""
    if _works(PYTHON, "pip") or _works(sys.executable, "ensurepip"):
        return {}
    return {"Python's venv": "python3-venv"}


def _make_venv() -> None:
    """A .venv with pip, whatever is left of an earlier one."""
    if _works(PYTHON, "pip"):
        return
    if not os.access(VENV if VENV.exists() else ROOT, os.W_OK):
        raise Refusal(f"You may not write to {ROOT}; copy the checkout to a folder of yours and start again there.")
    install_debian_packages(without_venv())
    say("Making .venv ...")
    if not _works(PYTHON, "sys"):  # none yet, or its Python has left the machine
        for leftover in ("bin", "include", "lib", "lib64", "pyvenv.cfg"):
            path = VENV / leftover
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        make = [sys.executable, "-m", "venv", VENV]
    else:  # making it was interrupted
        make = [PYTHON, "-m", "ensurepip"]
    if children.run(make, cwd=ROOT) or not _works(PYTHON, "pip"):
        raise Refusal(f"{VENV} could not be made (the reason is above); remove it and start again.")


def install_debian_packages(missing: dict[str, str]) -> None:
    """Install what is missing, {what it is: Debian package}, with apt.

    Raises:
        Refusal: apt is not there or we are not root; says what to type.
    """
    if not missing:
        return
    packages = sorted({word for package in missing.values() for word in package.split()})
    what = f"Missing here: {', '.join(missing)}."
    if not shutil.which("apt-get"):
        raise Refusal(f"{what} Install it with this machine's package manager and start again.")
    if os.geteuid() != 0:
        raise Refusal(f"{what} Type this and start again: sudo apt-get install -y {' '.join(packages)}")
    say(f"Installing {', '.join(packages)} with apt; this can take some minutes ...")
    install = ["install", "-y", "--no-install-recommends", *packages]
    if _apt(install):
        _apt(["update"])  # it also fails for one source of many, which need not be the one that has the packages
        if _apt(install):
            raise Refusal(f"{what} apt could not install it (its words are above); start again when it can.")


def _apt(words: Sequence[str]) -> int:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words]
    return children.run(command, cwd=ROOT, env=env, silent=True)


def install_npm_package(package: str, file: str, what: str) -> Path:
    """Install ``package`` (name@version) into .venv, unless it is there. Returns the path of its ``file``."""
    folder = VENV / package
    wanted = folder / "node_modules" / file
    if not wanted.exists():
        say(f"Installing {what} with npm ...")
        command = ["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", folder, package]
        if children.run(command, cwd=ROOT) or not wanted.exists():
            raise Refusal(f"npm could not install {what}; start again when npm can.")
    return wanted
