"""Starting other programs so that none of them outlives this one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Refusal(Exception):
    """One sentence for the person at the terminal; the program ends with status 1."""


class Stop(BaseException):
    """Somebody asked the program to end (Ctrl-C, SIGTERM, a closed terminal). Raised once, in the main thread."""


def stop_on_signals() -> None:
    """From now on the first signal raises ``Stop``; further ones change nothing, since ending is under way."""

    def stop(number: int, _: object) -> None:
        ignore_signals()
        raise Stop(number)

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


def ignore_signals() -> None:
    """From now on nothing interrupts the stopping. A handler, unlike SIG_IGN, is not passed on to programs started."""
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)


def _end_with_parent(number: int) -> Callable[[], None]:
    """What a new process does before it becomes the other program: ask the kernel for ``number`` when we are gone.

    The request is tied to the thread that forks: call ``start`` from the main thread only.
    """
    parent = os.getpid()

    def ask() -> None:
        if _PRCTL:
            _PRCTL(PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:  # we were gone before the request was made
                os._exit(1)

    return ask


class Child:
    """A program in a session of its own: a Ctrl-C at the terminal reaches us alone, and we end it in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[object],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        talks: bool = False,
        silent: bool = False,
        user: str | None = None,
        stop_with: int = signal.SIGTERM,
    ) -> None:
        """Start ``command`` as ``user`` (None: as us).

        Its output goes to ``log``, else to the terminal; one that ``talks`` logs its errors only, one that is
        ``silent`` says its errors only.
        """
        self.name, self.log, self.stop_with = name, log, stop_with
        self._asked = False
        output: IO[bytes] | None = log.open("ab") if log else None
        try:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if silent else None if talks else output,
                stderr=output,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                # Runs after the change of user, which would have undone the request; we have no threads.
                preexec_fn=_end_with_parent(stop_with),  # noqa: PLW1509
            )
        finally:
            if output:
                output.close()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    @property
    def last_words(self) -> str:
        """The last line of its log, "" without one."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def ask_to_stop(self, *, with_its_own: bool = False) -> None:
        """Ask it once, and on request the programs it started too."""
        if not self._asked and not self.ended:
            self._asked = True
            send = os.killpg if with_its_own else os.kill
            send(self.process.pid, self.stop_with)

    def end(self, patience: float) -> None:
        """Ask it to stop, wait ``patience`` seconds, then kill what is left of it and of what it started."""
        self.ask_to_stop()
        deadline = time.monotonic() + patience
        while self._lives() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._lives():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _lives(self) -> bool:
        if not self.ended:
            return True
        try:
            os.killpg(self.process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def run(command: Sequence[object], *, cwd: Path, env: Mapping[str, str] | None = None, silent: bool = False) -> int:
    """Run a program to its end, at the terminal, and answer its exit status; it ends with us, and on ``Stop``."""
    child = Child(str(command[0]), command, cwd=cwd, env=env, silent=silent)
    try:
        return child.process.wait()
    finally:
        child.end(patience=5)


def main(program: Callable[[], int], *, stopped: int) -> None:
    """Run ``program`` and exit with its status; a refusal is one sentence and 1, being stopped is ``stopped``."""
    stop_on_signals()
    try:
        status = program()
    except Refusal as refusal:
        complain(str(refusal))
        status = 1
    except OSError as error:
        complain(f"{error.strerror}: {error.filename}" if error.filename else str(error))
        status = 1
    except Stop:
        status = stopped
    sys.exit(status)


def say(text: str) -> None:
    """A line at the terminal, at once. Where nobody reads any more, the rest is said to nobody."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """A line for whoever watches for errors."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
