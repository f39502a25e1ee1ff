"""Buyers who buy over HTTP while things break, and the reckoning afterwards.

A buyer whose answer is lost asks again for the same lead with the same key until answered. So in the end the books hold
exactly what was acknowledged, each key once, and no mail is sent twice.
"""

import itertools
import json
import random
import re
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.stack import ROOT, Stack

BUYERS = 8
STOCK = 600  # leads listed at a time; others follow when half of their slots are sold
PATIENCE = 60  # seconds for the last answers
EXPECTED = {200, 302, 303, 409}  # 409: somebody else has it

_MEMBERS = f"""
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from tests.people import make_member
answer = []
for number in range({BUYERS}):
    user = make_member(f"Killer{{number}}", cents=10**9)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    answer.append(session.session_key)
"""

# Each lead is another person: nobody is refused for having bought the same one before.
_LEADS = f"""
import secrets
from tests.stock import make_lead
people = [(f"+1{{secrets.randbelow(10**10):010}}", f"{{secrets.token_hex(8)}}@example.org") for _ in range({STOCK})]
answer = [make_lead(buyers=3, phone=phone, email=email).public_id for phone, email in people]
"""

_LOOK = """
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Order
orders = Order.objects.prefetch_related("purchases")
answer = {
    "orders": [[o.key, o.created_at.timestamp(), [p.public_id for p in o.purchases.all()]] for o in orders],
    "mails": [list(row) for row in OutgoingEmail.objects.values_list("public_id", "state")],
}
"""

_END = """
from datetime import timedelta
from marketplace.mail import services
services.IN_FLIGHT_LIMIT = timedelta(0)
while services.deliver_due():
    pass
answer = True
"""


def site(**options: Any) -> Stack:
    """The site, with our pages for what goes wrong in place of Django's for developers."""
    stack = Stack(**options)
    stack.env |= {"DJANGO_SETTINGS_MODULE": "tests.kills.settings", "PYTHONPATH": str(ROOT)}
    return stack


@dataclass
class Acknowledged:
    """A purchase the site said yes to: when, and when it was asked for the last time (both as time.time())."""

    purchase: str
    asked_at: float
    at: float


class Buyer(threading.Thread):
    """Buys one lead after the other over HTTP until told to stop, and leaves no question without its answer. Each
    question goes to the next of the site's addresses, as a proxy in front would send it."""

    def __init__(self, stack: Stack, session: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.stop = stop
        self.addresses = itertools.cycle(stack.urls)
        self.http = requests.Session()
        self.http.cookies.set("sessionid", session)
        self.leads: deque[str] = deque()
        self.acknowledged: dict[str, Acknowledged] = {}  # by the form's key
        self.asked_again: set[str] = set()  # keys
        self.answers: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                if self.leads:
                    self.buy(f"/leads/{self.leads.popleft()}/buy/")
                else:
                    time.sleep(0.05)
        except BaseException as failure:  # noqa: BLE001 - for the test's own thread to raise
            self.failure = failure

    def buy(self, path: str) -> None:
        page, _ = self.ask("GET", path)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        if "key" not in fields:
            self.answers[f"page {page.status_code}"] += 1  # sold meanwhile
            return
        answer, asked_at = self.ask("POST", path, fields)
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in (302, 303):
            found = re.fullmatch(r"/my-leads/(\w+)/", answer.headers["Location"])
            assert found, answer.headers["Location"]
            self.acknowledged[fields["key"]] = Acknowledged(found[1], asked_at, time.time())
        else:
            assert answer.status_code == 409, answer.text

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None) -> tuple[requests.Response, float]:
        """The first real answer, and when it was asked for. Not knowing, or 503, means: the same question again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            asked_at, address = time.time(), next(self.addresses) + path
            try:
                answer = self.http.request(verb, address, data=fields, timeout=10, allow_redirects=verb == "GET")
                if answer.status_code != 503:
                    assert answer.status_code in EXPECTED, (answer.status_code, answer.text[:2000])
                    return answer, asked_at
                assert answer.headers["Retry-After"], answer.text[:2000]
                self.answers["503"] += 1
            except requests.RequestException as error:
                self.answers[type(error).__name__] += 1
            assert time.monotonic() < deadline, f"no answer to {verb} {path}"
            if fields:
                self.asked_again.add(fields["key"])
            time.sleep(0.05)


@dataclass
class Reckoning:
    """What the buyers were told, and what is there."""

    acknowledged: dict[str, Acknowledged]
    books: dict[str, list[str]]  # purchases by key
    was_there: list[str]  # keys asked for again although the first question had bought it
    asked_again: set[str]
    states: Counter[str]  # of the mails
    twice: dict[str, int]  # mails that arrived more than once
    unsent: list[str]  # mails that count as sent and did not arrive once
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{len(self.acknowledged)} purchases acknowledged, {len(self.books)} in the books, "
            f"{len(self.asked_again)} asked for again of which {len(self.was_there)} were there, "
            f"mails {dict(self.states)}, {len(self.twice)} twice, answers {json.dumps(self.answers)}"
        )

    def check(self, *, unknown: int = 0) -> None:
        """All that was acknowledged is there, once, and nothing else; every mail left once, or perhaps: ``unknown``."""
        assert {key: [yes.purchase] for key, yes in self.acknowledged.items()} == self.books
        assert set(self.was_there) <= self.asked_again
        assert self.twice == {}
        assert self.unsent == []
        assert set(self.states) <= {"sent", "unknown"}
        assert self.states["unknown"] <= unknown


class Crowd:
    """Eight buyers with money, and leads for them."""

    def __init__(self, stack: Stack, dice: random.Random) -> None:
        self.stack, self.dice = stack, dice
        self._listed = 0
        self._stop = threading.Event()
        self.buyers = [Buyer(stack, session, self._stop) for session in stack.python(_MEMBERS)]
        self.restock()
        for buyer in self.buyers:
            buyer.start()

    def times(self) -> list[float]:
        """When purchases were acknowledged."""
        return [yes.at for buyer in self.buyers for yes in list(buyer.acknowledged.values())]

    def restock(self) -> None:
        """New leads in place of the old ones, in another order for each, once half of them are sold."""
        if len(self.times()) >= (3 * self._listed - 1.5 * STOCK):
            leads = self.stack.python(_LEADS)
            self._listed += STOCK
            for buyer in self.buyers:
                buyer.leads = deque(self.dice.sample(leads, len(leads)))

    def wait_for_a_purchase(self) -> None:
        """Somebody buys from now on.

        Raises:
            AssertionError: nobody does, within a minute.
        """
        since, deadline = time.time(), time.monotonic() + PATIENCE
        while not any(at > since for at in self.times()):
            self._check_they_live()
            assert time.monotonic() < deadline, "nothing was bought"
            time.sleep(0.05)

    def _check_they_live(self) -> None:
        for buyer in self.buyers:
            if buyer.failure:
                raise buyer.failure

    def go_home(self) -> Reckoning:
        """Nobody begins another purchase, the workers end, what they left is done, and all is counted."""
        self._stop.set()
        for buyer in self.buyers:
            buyer.join(timeout=2 * PATIENCE)
        self._check_they_live()
        assert not any(buyer.is_alive() for buyer in self.buyers)
        for name in self.stack.names:
            if not name.startswith("web"):
                self.stack.stop(name)
        self.stack.python(_END)
        found = self.stack.python(_LOOK)
        assert "0 findings" in self.stack.manage("ledger_check")

        acknowledged = {key: yes for buyer in self.buyers for key, yes in buyer.acknowledged.items()}
        arrived = self.stack.postbox.messages
        received = Counter(re.sub(r"^<|@.*", "", str(mail["Message-ID"])).split(".")[-1] for mail in arrived)
        return Reckoning(
            acknowledged,
            books={key: purchases for key, _, purchases in found["orders"]},
            was_there=[
                key
                for key, made_at, _ in found["orders"]
                if key in acknowledged and made_at < acknowledged[key].asked_at
            ],
            asked_again={key for buyer in self.buyers for key in buyer.asked_again},
            states=Counter(state for _, state in found["mails"]),
            twice={name: number for name, number in received.items() if number > 1},
            unsent=[name for name, state in found["mails"] if state == "sent" and received[name] != 1],
            answers=sum((buyer.answers for buyer in self.buyers), Counter()),
        )
