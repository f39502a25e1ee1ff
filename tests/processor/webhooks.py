"""Signed notices to the site, and every way in which they arrive late, twice, out of order, forged or not at all."""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stripe import WebhookSignature

from .state import Object

RETRY_DELAYS = (0.05, 0.2, 0.5)
"""Seconds before each further try after an answer that is not 2xx: short, for tests."""

PATIENCE = 10.0
"""Seconds that one delivery may take."""


@dataclass(frozen=True)
class Attempt:
    """One try to deliver an event: the site's HTTP status, or None with the reason."""

    event_id: str
    type: str
    status: int | None
    reason: str = ""


@dataclass
class Rule:
    """A way to treat events of some types (None: all), for the next `times` of them (None: until reset)."""

    kind: str
    types: frozenset[str] | None
    times: int | None
    value: float = 0


class Deliveries:
    """The queue of notices. One thread delivers in the order of the events, unless told otherwise."""

    def __init__(
        self,
        url: str | None,
        secret: str,
        *,
        load_event: Callable[[str], Object],
        delivered: Callable[[str], None],
        retry_delays: Iterable[float] = RETRY_DELAYS,
    ) -> None:
        self.url = url
        self.secret = secret
        self._load_event = load_event
        self._delivered = delivered
        self._retry_delays = tuple(retry_delays)
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, str, str, int]] = []
        self._numbers = itertools.count()
        self._in_flight = 0
        self._held: list[tuple[str, str]] = []
        self._rules: list[Rule] = []
        self._signing: dict[str, Any] = {}
        self._attempts: list[Attempt] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    # Life

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(PATIENCE + 1)

    def announce(self, event_id: str, type: str) -> None:
        """Queues an event that has just happened, as the rules say."""
        if not self.url:
            return
        with self._changed:
            if self._take_rule("drop", type):
                self._attempts.append(Attempt(event_id, type, None, "dropped"))
                self._delivered(event_id)
                return
            twin = self._take_rule("duplicate", type)
            late = self._take_rule("delay", type)
            held = self._take_rule("hold", type)
            for _ in range(int(twin.value) if twin else 1):
                if held:
                    self._held.append((event_id, type))
                else:
                    self._push(event_id, type, late.value if late else 0)

    # Controls

    def hold(self, types: Iterable[str] | None = None) -> None:
        """Keeps notices back until `release`."""
        self._add_rule("hold", types, None)

    def release(self, order: list[str] | str | None = None, *, seed: int | None = None) -> list[str]:
        """Stops holding and delivers what was held; answers the types in the order of delivery.

        `order` None is as they happened, "reverse", "random" (with `seed`), or a list of event ids or types: what the
        list does not name comes last.
        """
        with self._changed:
            self._rules = [rule for rule in self._rules if rule.kind != "hold"]
            held, self._held = self._held, []
            if order == "reverse":
                held.reverse()
            elif order == "random":
                random.Random(seed).shuffle(held)
            elif isinstance(order, list):
                place = {name: index for index, name in enumerate(order)}
                held.sort(key=lambda each: min(place.get(each[0], len(place)), place.get(each[1], len(place))))
            elif order is not None:
                raise ValueError("order is a list, 'reverse', 'random' or None")
            for event_id, type in held:
                self._push(event_id, type, 0)
            return [type for _, type in held]

    def held(self) -> list[list[str]]:
        """What is being held: [event id, type] each."""
        with self._changed:
            return [list(each) for each in self._held]

    def drop(self, types: Iterable[str] | None = None, *, times: int | None = None) -> None:
        """The next notices are lost for good; the events stay in the API."""
        self._add_rule("drop", types, times)

    def duplicate(self, copies: int = 2, types: Iterable[str] | None = None, *, times: int | None = None) -> None:
        """Each of the next notices is delivered `copies` times."""
        self._add_rule("duplicate", types, times, copies)

    def delay(self, seconds: float, types: Iterable[str] | None = None, *, times: int | None = None) -> None:
        """Each of the next notices waits `seconds` first."""
        self._add_rule("delay", types, times, seconds)

    def sign(self, *, secrets: list[str] | None = None, forged: bool = False, age: float = 0) -> None:
        """How the following notices are signed: with these secrets (several during a rotation), with a wrong one, or
        as if sent `age` seconds ago."""
        with self._changed:
            self._signing = {"secrets": secrets, "forged": forged, "age": age}

    def reset(self) -> None:
        """Forgets all rules and signs as at the start. What is held stays held; `release` sends it."""
        with self._changed:
            self._rules.clear()
            self._signing = {}

    def signed(
        self,
        event_id: str,
        *,
        secrets: list[str] | None = None,
        forged: bool = False,
        age: float = 0,
        changes: dict[str, Any] | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of a notice, for a test that posts it itself.

        `changes` overwrites keys of the event before it is signed, such as {"livemode": True}.
        """
        event = {**self._load_event(event_id), "pending_webhooks": 1, **(changes or {})}
        body = json.dumps(event, indent=2, ensure_ascii=False)
        at = int(time.time() - age)
        headers = [
            WebhookSignature.generate_signature_header(body, f"not-{secret}" if forged else secret, at)
            for secret in secrets or [self.secret]
        ]
        signature = ",".join([headers[0], *(header.split(",", 1)[1] for header in headers[1:])])
        return body.encode(), {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }

    def deliver(self, event_id: str, times: int = 1, **signing: Any) -> list[int | None]:
        """Delivers one event now, `times` at once, past all rules and without retries; answers the HTTP statuses."""
        body, headers = self.signed(event_id, **signing)
        start = threading.Barrier(times)

        def send(_: int) -> int | None:
            start.wait(PATIENCE)
            return self._post(body, headers)[0]

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(send, range(times)))

    def wait(self, timeout: float = 10.0) -> None:
        """Returns when nothing is queued or under way (what is held does not count); `TimeoutError` otherwise."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._queue and not self._in_flight, timeout):
                raise TimeoutError(f"{len(self._queue) + self._in_flight} notices are not delivered yet")

    def attempts(self) -> list[Attempt]:
        """Every try so far, oldest first; dropped notices have the reason "dropped"."""
        with self._changed:
            return list(self._attempts)

    # Steps

    def _add_rule(self, kind: str, types: Iterable[str] | None, times: int | None, value: float = 0) -> None:
        with self._changed:
            self._rules.append(Rule(kind, None if types is None else frozenset(types), times, value))

    def _take_rule(self, kind: str, type: str) -> Rule | None:
        for rule in self._rules:
            if rule.kind == kind and (rule.types is None or type in rule.types):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self._rules.remove(rule)
                return rule
        return None

    def _push(self, event_id: str, type: str, wait: float, attempt: int = 0) -> None:
        heapq.heappush(self._queue, (time.monotonic() + wait, next(self._numbers), event_id, type, attempt))
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (not self._queue or self._queue[0][0] > time.monotonic()):
                    self._changed.wait(self._queue[0][0] - time.monotonic() if self._queue else None)
                if self._stopped:
                    return
                _, _, event_id, type, attempt = heapq.heappop(self._queue)
                self._in_flight += 1
                signing = dict(self._signing)
            status, reason = self._post(*self.signed(event_id, **signing))
            with self._changed:
                self._attempts.append(Attempt(event_id, type, status, reason))
                if status is not None and 200 <= status < 300:
                    self._delivered(event_id)
                elif attempt < len(self._retry_delays):
                    self._push(event_id, type, self._retry_delays[attempt], attempt + 1)
                self._in_flight -= 1
                self._changed.notify_all()

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int | None, str]:
        address = urlsplit(self.url or "")
        connection: http.client.HTTPConnection
        if address.scheme == "https":
            connection = http.client.HTTPSConnection(
                address.hostname or "", address.port, timeout=PATIENCE, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
        try:
            connection.request("POST", address.path or "/", body, headers)
            return connection.getresponse().status, ""
        except (OSError, http.client.HTTPException) as error:
            return None, type(error).__name__
        finally:
            connection.close()
