"""The process that buys dies after any statement of the purchase, or after the commit with the answer on its way:
all or nothing is there, and the same form sent again buys once."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import services
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.services import buy_lead
from tests.guards import stripped
from tests.people import make_member
from tests.races.rig import assert_sound
from tests.stock import make_lead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.kills]
ROOT = Path(__file__).resolve().parent.parent.parent
DEATHS, PRICE, CENTS = 25, 2450, 100_000


class Deaths:
    """25 forms of one buyer, each sent by a process that died; ``inside`` are those that died before the commit."""

    def __init__(self, kind: str = "whole") -> None:
        self.alice = make_member("Alice", cents=CENTS)
        self.forms = [(secrets.token_hex(8), make_lead(price_cents=PRICE)) for _ in range(DEATHS)]
        words = [word for key, lead in self.forms for word in (key, str(lead.pk))]
        name = str(connection.settings_dict["NAME"])
        connection.close()
        command = [sys.executable, "-m", "tests.kills.dying_buyer", name, kind, str(self.alice.pk), str(PRICE), *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        ran = [int(line) for line in done.stdout.split()]
        self.inside = [last for last, statements in enumerate(ran) if statements == last]
        assert len(self.inside) >= 10  # each statement was the last one once ...
        assert self.inside == list(range(len(self.inside)))
        assert len(self.inside) < DEATHS - 1  # ... and some deaths came after the commit

    def check_all_or_nothing(self) -> None:
        """What was committed is there with everything that belongs to it; of the rest there is nothing."""
        there = list(Order.objects.order_by("id").values_list("key", flat=True))
        assert there == [key for number, (key, _) in enumerate(self.forms) if number not in self.inside]
        self.check_books(len(there))

    def check_same_form_again(self) -> None:
        """Every form sent again is answered with its one purchase: the one that is there, if it is there."""
        there = dict(Purchase.objects.values_list("order__key", "public_id"))
        answers = {key: buy_lead(self.alice, lead, price_seen=PRICE, key=key).public_id for key, lead in self.forms}
        assert there.items() <= answers.items()
        assert len(set(answers.values())) == DEATHS
        self.check_books(DEATHS)

    def check_books(self, bought: int) -> None:
        assert Purchase.objects.count() == OutgoingEmail.objects.count() == bought
        assert ledger.wallet_of(self.alice.pk).cash == CENTS - bought * PRICE
        assert_sound()


def test_all_or_nothing_and_the_same_form_buys_once():
    deaths = Deaths()
    deaths.check_all_or_nothing()
    deaths.check_same_form_again()


def test_control_committed_piecemeal_it_is_red():
    deaths = Deaths("piecemeal")
    with pytest.raises(AssertionError):
        deaths.check_all_or_nothing()


def test_control_without_the_look_for_an_earlier_order_it_is_red(monkeypatch):
    deaths = Deaths()
    blind = stripped(services._INSERT_ORDER, "ON CONFLICT (buyer_id, key) DO NOTHING")
    monkeypatch.setattr(services, "_INSERT_ORDER", blind)
    with pytest.raises(IntegrityError):
        deaths.check_same_form_again()
