"""Faults on demand: how the processor or the network lets its caller down, for the next n requests or payments."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

NETWORK = ("rate_limit", "disconnect", "time_out")
"""Faults that happen whatever the request is, a replay included."""

ENDPOINT = ("fail_before", "fail_after")
"""Faults of the endpoint itself: the answer 500 is kept under the idempotency key, as Stripe keeps it."""


@dataclass
class Fault:
    """One armed fault. `times` None means until cleared; `path` is a prefix; `method` None means any."""

    kind: str
    method: str | None = None
    path: str = "/v1"
    times: int | None = 1
    after: bool = False
    seconds: float = 0.0


@dataclass
class Receipt:
    """What the next payment really brings in; None leaves the expected value."""

    amount: int | None = None
    currency: str | None = None
    late_fee: bool = False


class Faults:
    """All armed faults. The first that fits a request is used, and used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._receipts: list[Receipt] = []
        self._hidden: set[str] = set()
        self._double = False

    def fail_before(self, method: str | None = None, path: str = "/v1", *, times: int | None = 1) -> None:
        """HTTP 500, and nothing was done."""
        self._arm(Fault("fail_before", method, path, times))

    def fail_after(self, method: str | None = None, path: str = "/v1", *, times: int | None = 1) -> None:
        """HTTP 500, although all was done and committed."""
        self._arm(Fault("fail_after", method, path, times))

    def rate_limit(self, method: str | None = None, path: str = "/v1", *, times: int | None = 1) -> None:
        """HTTP 429; never kept under a key."""
        self._arm(Fault("rate_limit", method, path, times))

    def disconnect(
        self, method: str | None = None, path: str = "/v1", *, times: int | None = 1, after: bool = False
    ) -> None:
        """The connection closes with no answer; with `after`, when all was done and committed."""
        self._arm(Fault("disconnect", method, path, times, after))

    def time_out(
        self,
        method: str | None = None,
        path: str = "/v1",
        *,
        seconds: float = 30.0,
        times: int | None = 1,
        after: bool = True,
    ) -> None:
        """The answer comes `seconds` late. With `after` the work was done before the wait, else it comes after the
        wait and the idempotency key is in use meanwhile."""
        self._arm(Fault("time_out", method, path, times, after, seconds))

    def receive(self, amount: int | None = None, currency: str | None = None, *, times: int = 1) -> None:
        """The next payments bring in another amount (cents) or another currency than was asked."""
        with self._lock:
            self._receipts += [Receipt(amount, currency) for _ in range(times)]

    def late_fee(self, *, times: int = 1) -> None:
        """The next payments succeed without a balance transaction; `book_fee` adds it."""
        with self._lock:
            self._receipts += [Receipt(late_fee=True) for _ in range(times)]

    def hide(self, *transactions: str) -> None:
        """The list of balance transactions leaves these out until cleared."""
        with self._lock:
            self._hidden |= set(transactions)

    def double(self) -> None:
        """The list of balance transactions has each of them twice until cleared."""
        with self._lock:
            self._double = True

    def alter_report(self, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A page of balance transactions as the armed faults show it."""
        with self._lock:
            left = [each for each in listed if each["id"] not in self._hidden]
            return [each for each in left for _ in range(2)] if self._double else left

    def clear(self) -> None:
        with self._lock:
            self._hidden.clear()
            self._double = False
            self._armed.clear()
            self._receipts.clear()

    def armed(self) -> list[dict[str, Any]]:
        """The faults still armed, receipts last."""
        with self._lock:
            return [asdict(fault) for fault in self._armed] + [asdict(receipt) for receipt in self._receipts]

    def take(self, kinds: tuple[str, ...], method: str, path: str) -> Fault | None:
        """The first armed fault of these kinds that fits the request."""
        with self._lock:
            for fault in self._armed:
                if fault.kind in kinds and fault.method in (None, method) and path.startswith(fault.path):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._armed.remove(fault)
                    return fault
        return None

    def take_receipt(self) -> Receipt:
        with self._lock:
            return self._receipts.pop(0) if self._receipts else Receipt()

    def _arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)
