"""Many writers at once, each with its own connection, released by one barrier."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

from marketplace.core.refusals import Busy
from marketplace.ledger import checks as ledger_checks
from marketplace.purchases import checks as purchase_checks
from marketplace.wallet import checks as wallet_checks


@dataclass(frozen=True)
class Result:
    """What one racer got: a value, or the exception that ended it; and how long it took, in seconds."""

    value: Any
    error: BaseException | None
    seconds: float

    @property
    def kind(self) -> str:
        """ "ok", or the name of the exception."""
        return "ok" if self.error is None else type(self.error).__name__


def race(jobs: Sequence[Callable[[], Any]]) -> list[Result]:
    """Run all jobs at the same moment, each in a thread with a database connection of its own."""
    barrier = threading.Barrier(len(jobs))
    results: list[Result | None] = [None] * len(jobs)

    def run(index: int, job: Callable[[], Any]) -> None:
        value, error = None, None
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=60)
            start = time.perf_counter()
            try:
                value = job()
            except Exception as caught:  # noqa: BLE001 - the result of a racer
                error = caught
            results[index] = Result(value, error, time.perf_counter() - start)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run, args=(index, job)) for index, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    done = [result for result in results if result is not None]
    assert len(done) == len(jobs), "a racer never came back"
    return done


def patiently(job: Callable[[], Any]) -> Callable[[], Any]:
    """The job of somebody who asks again when told that the shop is very busy, as the page says to. On a slow machine
    that is the right answer to a few of 100 racers for one wallet; what they are told in the end is the same."""

    def run() -> Any:
        for _ in range(9):
            with contextlib.suppress(Busy):
                return job()
        return job()

    return run


def tally(results: Sequence[Result]) -> Counter[str]:
    """How many racers got what."""
    return Counter(result.kind for result in results)


def assert_sound() -> None:
    """The books, the wallet and the purchases hold every invariant."""
    assert [*ledger_checks.findings(), *wallet_checks.findings(), *purchase_checks.findings()] == []
