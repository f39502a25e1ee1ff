"""``kill -9`` on web and worker at random moments while buyers buy: 20 times by default, 200 with ``-m kills``.

Whatever was acknowledged must be there, the books must be sound, and no mail may be sent twice.
"""

import json
import random
import re
import threading
import time
from collections import Counter

import pytest
import requests

from tests.stack import Stack

pytestmark = [pytest.mark.kills]
BUYERS, LEADS = 8, 900
PRICE = 2450

_PREPARE = f"""
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from tests.people import make_member
from tests.stock import make_lead
leads = [make_lead(buyers=3, price_cents={PRICE}).public_id for _ in range({LEADS})]
sessions = []
for number in range({BUYERS}):
    user = make_member(f"Killer{{number}}", cents=10_000_000)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    sessions.append(session.session_key)
answer = {{"leads": leads, "sessions": sessions}}
"""

_LOOK = """
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Purchase
answer = {
    "purchases": list(Purchase.objects.values_list("public_id", flat=True)),
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


class Buyer(threading.Thread):
    """Buys one lead after the other over HTTP until told to stop; remembers what was acknowledged."""

    def __init__(self, stack: Stack, session: str, leads: list[str], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.stack, self.leads, self.stop = stack, leads, stop
        self.http = requests.Session()
        self.http.cookies.set("sessionid", session)
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        for lead in self.leads:
            if self.stop.is_set():
                return
            try:
                self.buy(lead)
            except requests.RequestException as error:
                self.answers[type(error).__name__] += 1
                time.sleep(0.05)

    def buy(self, lead: str) -> None:
        address = f"{self.stack.url}/leads/{lead}/buy/"
        page = self.http.get(address, timeout=10)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        if page.status_code != 200 or "key" not in fields:
            self.answers[f"page {page.status_code}"] += 1
            return
        answer = self.http.post(address, data=fields, timeout=10, allow_redirects=False)
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in (302, 303):
            found = re.fullmatch(r"/my-leads/(\w+)/", answer.headers["Location"])
            assert found, answer.headers["Location"]
            self.acknowledged.append(found[1])


def test_kill_nine_under_load(pytestconfig, show):
    rounds = 200 if "kills" in pytestconfig.getoption("-m") else 20
    dice = random.Random(11)
    with Stack() as stack:
        ground = stack.python(_PREPARE)
        stop = threading.Event()
        buyers = []
        for session in ground["sessions"]:
            order = ground["leads"][:]
            dice.shuffle(order)
            buyers.append(Buyer(stack, session, order, stop))
        for buyer in buyers:
            buyer.start()
        killed: Counter[str] = Counter()
        for _ in range(rounds):
            time.sleep(dice.uniform(0.05, 0.6))
            name = dice.choice(["web", "worker", "worker"])
            stack.kill(name)
            killed[name] += 1
            stack.start(name)
            if name == "web":
                stack.wait_ready()
        time.sleep(1)
        stop.set()
        for buyer in buyers:
            buyer.join(timeout=30)
        stack.stop("beat")
        stack.stop("worker")
        stack.python(_END)
        found = stack.python(_LOOK)
        assert "0 findings" in stack.manage("ledger_check")

        acknowledged = [purchase for buyer in buyers for purchase in buyer.acknowledged]
        lost = set(acknowledged) - set(found["purchases"])
        received = Counter(
            re.sub(r"^<|@.*", "", str(mail["Message-ID"])).split(".")[-1] for mail in stack.postbox.messages
        )
        twice = {name: number for name, number in received.items() if number > 1}
        states = Counter(state for _, state in found["mails"])
        unsent = [name for name, state in found["mails"] if state == "sent" and received[name] != 1]
        show(
            f"{rounds} kills {dict(killed)}: {len(acknowledged)} purchases acknowledged, "
            f"{len(found['purchases'])} in the books, mails {dict(states)}, "
            f"answers {json.dumps(sum((buyer.answers for buyer in buyers), Counter()))}"
        )
        assert acknowledged, "nothing was bought"
        assert lost == set()
        assert twice == {}
        assert unsent == []
        assert set(states) <= {"sent", "unknown"}
        assert states["unknown"] <= killed["worker"] * 3
