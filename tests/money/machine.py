"""A small model of the money, held against the real thing step by step.

The model knows each buyer's net balance, who owns what and what the processor told; the machine does random things to
both and compares after every step.
"""

import uuid
from dataclasses import dataclass, field

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.ledger import checks as ledger_checks
from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import checks as purchase_checks
from marketplace.purchases import services
from marketplace.purchases.models import Order
from marketplace.wallet import checks as wallet_checks
from marketplace.wallet import deposits, disputes, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit
from tests.people import make_member
from tests.stock import make_lead

BUYERS = st.integers(0, 2)
NUMBERS = st.integers(0, 5)


@dataclass
class Paid:
    """A deposit in the model: what was asked, what was received, refunds and disputes by number, all in cents."""

    buyer: int
    row: Deposit
    received: int = 0
    fee: int = 0
    refunded: dict[int, int] = field(default_factory=dict)
    came_back: set[int] = field(default_factory=set)
    withdrawn: dict[int, int] = field(default_factory=dict)
    reinstated: set[int] = field(default_factory=set)
    open_disputes: set[int] = field(default_factory=set)

    @property
    def intent(self) -> str:
        return f"pi_{self.row.public_id}"


class Money(RuleBasedStateMachine):
    """Deposits, refunds, disputes and purchases of three buyers."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    @initialize()
    def begin(self) -> None:
        tag = uuid.uuid4().hex[:6]
        self.people = [make_member(f"M{tag}{index}") for index in range(3)]
        self.net = [0, 0, 0]
        self.bonus = [0, 0, 0]
        self.paid: list[Paid] = []
        self.leads: list[list] = []  # [lead, price, slots, sold, owners]
        self.keys: dict[tuple[int, int], tuple] = {}
        self.orders = 0
        self.fees = 0
        # Something to spend and something to buy, so that a walk does not spend its steps on getting started.
        self.ask_for_a_deposit(0, 6_000)
        self.the_payment_is_told(0, 0)
        self.ask_for_a_deposit(1, 3_000)
        self.ask_for_a_deposit(0, 2_500)  # may come in when its buyer owes
        for buyer in range(3):
            self.a_bonus_is_granted(buyer, 2_000)
        for slots in (1, 2, 3):
            self.a_lead_is_listed(1_000, slots)

    # --- what the world does ------------------------------------------------------------------------------------------

    @rule(buyer=BUYERS, amount=st.integers(2_500, 20_000))
    def ask_for_a_deposit(self, buyer: int, amount: int) -> None:
        if len(self.paid) < 6:
            now = self.people[buyer].date_joined
            row = Deposit.objects.create(buyer=self.people[buyer], amount_cents=amount, created_at=now, expires_at=now)
            self.paid.append(Paid(buyer, row))

    @precondition(lambda self: self.paid)
    @rule(number=NUMBERS, short=st.sampled_from([0, 0, 0, 700]))
    def the_payment_is_told(self, number: int, short: int) -> None:
        paid = self.paid[number % len(self.paid)]
        if not paid.received:
            paid.received = paid.row.amount_cents - short
            paid.fee = 30 + paid.received // 34
            self.net[paid.buyer] += paid.received
            self.fees += paid.fee
        with transaction.atomic():
            deposits.settle(
                Payment(paid.intent, "succeeded", paid.received, "usd", paid.row.public_id, paid.received, paid.fee)
            )

    @precondition(lambda self: self.paid)
    @rule(number=NUMBERS)
    def the_checkout_expires(self, number: int) -> None:
        paid = self.paid[number % len(self.paid)]
        deposits._raise_state(paid.row, Deposit.State.EXPIRED)
        paid.row.refresh_from_db()
        assert paid.row.state == ("paid" if paid.received else "expired")

    @precondition(lambda self: any(paid.received for paid in self.paid))
    @rule(number=NUMBERS, which=st.integers(0, 1), amount=st.integers(1, 9_000), fails=st.booleans())
    def a_refund_is_told(self, number: int, which: int, amount: int, fails: bool) -> None:
        known = [paid for paid in self.paid if paid.received]
        paid = known[number % len(known)]
        if which not in paid.refunded:
            paid.refunded[which] = amount
            self.net[paid.buyer] -= amount
        if fails and which not in paid.came_back:
            paid.came_back.add(which)
            self.net[paid.buyer] += paid.refunded[which]
        status = "failed" if which in paid.came_back else "succeeded"
        with transaction.atomic():
            refunds.apply_refund(
                RefundFact(f"re_{paid.row.public_id}_{which}", paid.intent, paid.refunded[which], "usd", status)
            )

    @precondition(lambda self: any(paid.received for paid in self.paid))
    @rule(
        number=NUMBERS, which=st.integers(0, 1), amount=st.integers(1, 4_000), ends=st.sampled_from(["", "won", "lost"])
    )
    def a_dispute_is_told(self, number: int, which: int, amount: int, ends: str) -> None:
        known = [paid for paid in self.paid if paid.received]
        paid = known[number % len(known)]
        if which not in paid.withdrawn:
            paid.withdrawn[which] = amount
            paid.open_disputes.add(which)
            self.net[paid.buyer] -= amount
            self.fees += 1500
        if ends:
            paid.open_disputes.discard(which)
        if ends == "won" and which not in paid.reinstated:
            paid.reinstated.add(which)
            self.net[paid.buyer] += paid.withdrawn[which]
        if not ends and which not in paid.open_disputes:
            ends = "won" if which in paid.reinstated else "lost"
        amount = paid.withdrawn[which]
        with transaction.atomic():
            disputes.apply_dispute(
                DisputeFact(
                    f"du_{paid.row.public_id}_{which}",
                    paid.intent,
                    amount,
                    ends or "needs_response",
                    amount,
                    1500,
                    amount if which in paid.reinstated else 0,
                )
            )

    @rule(buyer=BUYERS, amount=st.integers(100, 3_000))
    def a_bonus_is_granted(self, buyer: int, amount: int) -> None:
        self.bonus[buyer] += amount
        with transaction.atomic():
            wallet = ledger.lock(self.people[buyer].pk)
            ledger.transfer("promotion", wallet.bonus_id, amount, kind="deposit", reference=uuid.uuid4().hex)

    @rule(price=st.integers(100, 4_000), slots=st.integers(1, 3))
    def a_lead_is_listed(self, price: int, slots: int) -> None:
        if len(self.leads) < 6:
            self.leads.append([make_lead(buyers=slots, price_cents=price), price, slots, 0, set()])

    @precondition(lambda self: self.leads)
    @rule(number=NUMBERS, price=st.integers(100, 4_000))
    def a_lead_is_repriced(self, number: int, price: int) -> None:
        entry = self.leads[number % len(self.leads)]
        Lead.objects.filter(pk=entry[0].pk).update(price_cents=price)
        entry[1] = price

    # --- what buyers do -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.leads)
    @rule(buyer=BUYERS, number=NUMBERS, key=st.integers(0, 8), stale=st.sampled_from([0, 0, 0, 7]))
    def somebody_buys(self, buyer: int, number: int, key: int, stale: int) -> None:
        lead, price, slots, sold, owners = entry = self.leads[number % len(self.leads)]
        seen = price + stale
        expected = self._expected(buyer, lead, price, slots, sold, owners, key, seen)
        mails = OutgoingEmail.objects.count()
        try:
            with transaction.atomic():
                services.buy_lead(self.people[buyer], lead, price_seen=seen, key=f"key{key}")
            got = "ok"
        except Refusal as refusal:
            got = type(refusal).__name__
        assert got == expected, (got, expected)
        if got == "ok" and (buyer, key) not in self.keys:
            self.keys[buyer, key] = (lead.pk, seen)
            self.orders += 1
            from_cash = min(max(self.net[buyer], 0), seen)
            self.net[buyer] -= from_cash
            self.bonus[buyer] -= seen - from_cash
            entry[3] += 1
            owners.add(buyer)
            assert OutgoingEmail.objects.count() == mails + 1
        else:
            assert OutgoingEmail.objects.count() == mails

    @precondition(lambda self: self.leads)
    @rule(buyer=BUYERS, number=NUMBERS, key=st.integers(9, 40))
    def somebody_buys_with_a_fresh_form(self, buyer: int, number: int, key: int) -> None:
        """Buying is what the machine is about, so it happens more often than one rule of many would."""
        self.somebody_buys(buyer, number, key, 0)

    def _expected(self, buyer, lead, price, slots, sold, owners, key, seen) -> str:
        if (buyer, key) in self.keys:
            return "ok" if self.keys[buyer, key] == (lead.pk, seen) else "KeyReused"
        if self.net[buyer] < 0 or any(paid.open_disputes for paid in self.paid if paid.buyer == buyer):
            return "BuyingStopped"
        if buyer in owners:
            return "AlreadyBought"
        if sold == slots:
            return "LeadUnavailable"
        if seen != price:
            return "PriceChanged"
        return "ok" if max(self.net[buyer], 0) + self.bonus[buyer] >= seen else "InsufficientFunds"

    # --- what must hold after every step ------------------------------------------------------------------------------

    @invariant()
    def the_books_agree_with_the_model(self) -> None:
        if not hasattr(self, "people"):
            return
        assert [*ledger_checks.findings(), *wallet_checks.findings(), *purchase_checks.findings()] == []
        for person, net, bonus in zip(self.people, self.net, self.bonus, strict=True):
            wallet = ledger.wallet_of(person.pk)
            assert (wallet.cash, wallet.owed, wallet.bonus) == (max(net, 0), max(-net, 0), bonus)
        assert Order.objects.filter(buyer__in=self.people).count() == self.orders
        sold = dict(Lead.objects.filter(pk__in=[entry[0].pk for entry in self.leads]).values_list("pk", "slots_sold"))
        assert sold == {entry[0].pk: entry[3] for entry in self.leads}
        for paid in self.paid:
            paid.row.refresh_from_db()
            assert paid.row.received_cents == paid.received
        booked = sum(
            ledger.Transfer.objects.filter(kind="fee", reference__contains=":fee").values_list("amount", flat=True)
        )
        assert booked == self.fees
