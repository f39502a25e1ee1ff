"""``kill -9`` on web and worker at random moments while buyers buy: 20 times by default, 200 with ``-m kills``.

A buyer whose answer is lost asks again for the same lead with the same key until answered. So in the end the books hold
exactly what was acknowledged, each key once, and no mail is sent twice.
"""

import json
import random
import re
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

import pytest
import requests

from tests.stack import Stack

pytestmark = [pytest.mark.kills]
BUYERS = 8
STOCK = 600  # leads listed at a time; others follow when half of their slots are sold
STRETCH = 10  # rounds; somebody buys in each
PATIENCE = 60  # seconds for the last answers

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


@dataclass
class Acknowledged:
    """A purchase the site said yes to: when, and when it was asked for the last time (both as time.time())."""

    purchase: str
    asked_at: float
    at: float


class Buyer(threading.Thread):
    """Buys one lead after the other over HTTP until told to stop, and leaves no question without its answer."""

    def __init__(self, stack: Stack, session: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.stack, self.stop = stack, stop
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
                    self.buy(f"{self.stack.url}/leads/{self.leads.popleft()}/buy/")
                else:
                    time.sleep(0.05)
        except BaseException as failure:  # noqa: BLE001 - for the test's own thread to raise
            self.failure = failure

    def buy(self, address: str) -> None:
        page, _ = self.ask("GET", address)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        if "key" not in fields:
            self.answers[f"page {page.status_code}"] += 1  # sold meanwhile
            return
        answer, asked_at = self.ask("POST", address, fields)
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in (302, 303):
            found = re.fullmatch(r"/my-leads/(\w+)/", answer.headers["Location"])
            assert found, answer.headers["Location"]
            self.acknowledged[fields["key"]] = Acknowledged(found[1], asked_at, time.time())
        else:
            assert answer.status_code == 409, answer.text

    def ask(self, verb: str, address: str, fields: dict[str, str] | None = None) -> tuple[requests.Response, float]:
        """The first real answer, and when it was asked for. Not knowing, or 503, means: the same question again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            asked_at = time.time()
            try:
                answer = self.http.request(verb, address, data=fields, timeout=10, allow_redirects=verb == "GET")
                if answer.status_code != 503:
                    return answer, asked_at
                self.answers["503"] += 1
            except requests.RequestException as error:
                self.answers[type(error).__name__] += 1
            assert time.monotonic() < deadline, f"no answer to {verb} {address}"
            if fields:
                self.asked_again.add(fields["key"])
            time.sleep(0.05)


def list_leads(stack: Stack, buyers: list[Buyer], dice: random.Random) -> None:
    """New leads in place of the old ones for all buyers, in another order for each."""
    leads = stack.python(_LEADS)
    for buyer in buyers:
        buyer.leads = deque(dice.sample(leads, len(leads)))


def test_kill_nine_under_load(asked_for, show):
    rounds = 200 if asked_for("kills") else 20
    dice = random.Random(11)
    with Stack() as stack:
        stop = threading.Event()
        buyers = [Buyer(stack, session, stop) for session in stack.python(_MEMBERS)]
        for buyer in buyers:
            buyer.start()
        killed: Counter[str] = Counter()
        kills: list[float] = []
        listed = 0
        for _ in range(rounds):
            if sum(len(buyer.acknowledged) for buyer in buyers) >= (3 * listed - 1.5 * STOCK):
                list_leads(stack, buyers, dice)
                listed += STOCK
            time.sleep(dice.uniform(0.05, 0.6))
            name = dice.choice(["web", "worker", "worker"])
            stack.kill(name)
            kills.append(time.time())
            killed[name] += 1
            stack.start(name)
            if name == "web":
                stack.wait_ready()
        deadline = time.monotonic() + PATIENCE
        while not any(yes.at > kills[-1] for buyer in buyers for yes in list(buyer.acknowledged.values())):
            assert time.monotonic() < deadline, "nothing was bought after the last kill"
            time.sleep(0.1)
        stop.set()
        for buyer in buyers:
            buyer.join(timeout=2 * PATIENCE)
        assert [buyer.failure for buyer in buyers if buyer.failure or buyer.is_alive()] == []
        stack.stop("beat")
        stack.stop("worker")
        stack.python(_END)
        found = stack.python(_LOOK)
        assert "0 findings" in stack.manage("ledger_check")

    acknowledged = {key: yes for buyer in buyers for key, yes in buyer.acknowledged.items()}
    books = {key: purchases for key, _, purchases in found["orders"]}
    # Asked for again although the first question had bought it: the answer is the purchase that was there.
    was_there = [
        key for key, made_at, _ in found["orders"] if key in acknowledged and made_at < acknowledged[key].asked_at
    ]
    received = Counter(re.sub(r"^<|@.*", "", str(mail["Message-ID"])).split(".")[-1] for mail in stack.postbox.messages)
    states = Counter(state for _, state in found["mails"])
    twice = {name: number for name, number in received.items() if number > 1}
    unsent = [name for name, state in found["mails"] if state == "sent" and received[name] != 1]
    stretches = [(kills[first], [*kills, time.time()][first + STRETCH]) for first in range(0, rounds, STRETCH)]
    bought = [sum(since < yes.at < until for yes in acknowledged.values()) for since, until in stretches]
    show(
        f"{rounds} kills {dict(killed)}: {len(acknowledged)} purchases acknowledged, {min(bought)} or more in each "
        f"{STRETCH} rounds, {len(books)} in the books, "
        f"{sum(len(buyer.asked_again) for buyer in buyers)} asked for again of which {len(was_there)} were there, "
        f"mails {dict(states)}, {len(twice)} twice, "
        f"answers {json.dumps(sum((buyer.answers for buyer in buyers), Counter()))}"
    )
    assert {key: [yes.purchase] for key, yes in acknowledged.items()} == books
    assert set(was_there) <= {key for buyer in buyers for key in buyer.asked_again}
    assert min(bought) > 0, bought
    assert twice == {}
    assert unsent == []
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= killed["worker"] * 3
