"""The stand-in processor, the site that hears from it, and the proof after every test that no cent is missing."""

import random
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from marketplace.ledger import checks
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet import checks as wallet_checks
from marketplace.wallet import deposits, gateway, inbox
from marketplace.wallet.models import Deposit
from tests.people import make_charlie, make_member
from tests.processor import GOOD_CARD, Processor

SECRET = "whsec_of_the_wallet_tests"


class Site:
    """The shop and its processor: deposits go out through the real gateway, notices come in through the real view."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.told: set[str] = set()
        self._browser = Client()

    # --- what a member does -------------------------------------------------------------------------------------------

    def start(self, buyer: User, cents: int = 10_000) -> Deposit:
        """A deposit whose card page is open."""
        deposit, _ = deposits.start_deposit(buyer, cents)
        deposit.refresh_from_db()
        return deposit

    def pay(self, deposit: Deposit, card: str = GOOD_CARD, **options: object) -> str:
        """Pay on the card page; returns the payment's id."""
        return self.processor.pay(deposit.session_id, card, **options)["id"]

    def funded(self, buyer: User, cents: int = 10_000) -> tuple[Deposit, str]:
        """A paid deposit the site has heard of, and its payment's id."""
        deposit = self.start(buyer, cents)
        intent = self.pay(deposit)
        self.hear()
        return again(deposit), intent

    # --- what the processor tells -------------------------------------------------------------------------------------

    def news(self, *types: str) -> list[dict]:
        """Events the site has not been told of, oldest first."""
        return [
            event
            for event in self.processor.events()
            if event["id"] not in self.told and (not types or event["type"] in types)
        ]

    def post(self, event_id: str, **signing: object) -> int:
        """Deliver one notice; returns the site's answer."""
        body, headers = self.processor.deliveries.signed(event_id, **signing)
        self.told.add(event_id)
        return self._browser.post(
            reverse("wallet:stripe_webhook"), body, content_type="application/json", headers=headers
        ).status_code

    def look_again(self, *types: str) -> None:
        """The worker looks at everything again, as if each notice (of these types) were new."""
        for event in self.processor.events():
            if not types or event["type"] in types:
                inbox.apply(event["type"], event["data"]["object"]["id"])

    def hear(self, *types: str, times: int = 1, seed: int | None = None) -> None:
        """Every untold notice (of these types) arrives, each ``times`` times, shuffled with ``seed``; all of it is
        worked off."""
        events = [event["id"] for event in self.news(*types)] * times
        if seed is not None:
            random.Random(seed).shuffle(events)
        for event_id in events:
            assert self.post(event_id) == 200
        inbox.process_events()

    def miss(self) -> None:
        """Every untold notice is lost."""
        self.told |= {event["id"] for event in self.news()}


def again(row):
    """The row as it stands in the database."""
    return type(row).objects.get(pk=row.pk)


def in_the_books(kind: str) -> int:
    """What a house account holds, in cents: debits minus credits."""
    came = Transfer.objects.filter(debit__kind=kind, debit__owner=None).values_list("amount", flat=True)
    went = Transfer.objects.filter(credit__kind=kind, credit__owner=None).values_list("amount", flat=True)
    return sum(came) - sum(went)


def suspense() -> int:
    """Unexplained money, in cents."""
    return -in_the_books("suspense")


def at_the_processor(processor: Processor) -> int:
    """What the processor says it holds for us, in cents of our own currency."""
    moves = processor.store.find("balance_transaction")
    return sum(move["net"] for move in moves if move["currency"] == "usd")


def balance(user: User) -> int:
    """What the member has, or (negative) owes, in cents."""
    wallet = ledger.wallet_of(user.pk)
    assert 0 in (wallet.cash, wallet.owed)
    assert wallet.cash >= 0
    return wallet.available - wallet.owed


def spend(user: User, cents: int, *, reference: str = "purchase:test") -> None:
    """Spend money as a purchase does."""
    with transaction.atomic():
        ledger.spend(ledger.lock(user.pk), cents, kind=ledger.Kind.PURCHASE, reference=reference)


def alerts() -> set[str]:
    """What operators were told: "what:processor id"."""
    keys = OutgoingEmail.objects.filter(key__startswith="alert:").values_list("key", flat=True)
    return {":".join(key.split(":")[1:3]) for key in keys}


@pytest.fixture
def buyer(db) -> User:
    """A verified member without a cent."""
    return make_member("Alice")


@pytest.fixture
def as_buyer(buyer: User) -> Client:
    """The buyer's browser."""
    client = Client()
    client.force_login(buyer)
    return client


@pytest.fixture
def owner(db) -> User:
    """Who is told when money needs a look."""
    return make_charlie()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway waits 0.3 seconds and never tries again, so that tests of a broken processor are short."""
    monkeypatch.setattr(gateway, "READ_SECONDS", 0.3)
    monkeypatch.setattr(gateway, "RETRIES", 0)


class OwnTransactions:
    """The database connection as the gateway sees it: the transaction that undoes the test is not the site's."""

    def __init__(self) -> None:
        self._in_test = connection.in_atomic_block
        self._depth = len(connection.savepoint_ids)

    @property
    def in_atomic_block(self) -> bool:
        """Whether the code under test has opened a transaction of its own."""
        return len(connection.savepoint_ids) > self._depth if self._in_test else connection.in_atomic_block


@pytest.fixture
def processor(db, settings, monkeypatch) -> Iterator[Processor]:
    """A card processor on a port of its own. Its notices reach the site when a test says so."""
    monkeypatch.setattr(gateway, "connection", OwnTransactions())
    with Processor(webhook_secret=SECRET, api_key=settings.STRIPE_SECRET_KEY) as running:
        settings.STRIPE_API_BASE = settings.STRIPE_CHECKOUT_ORIGIN = running.url
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        yield running
        gateway._client(settings.STRIPE_SECRET_KEY, running.url)._requestor._get_http_client().close()
        gateway._client.cache_clear()


@pytest.fixture
def site(processor) -> Iterator[Site]:
    """The site with its processor. After the test the books are sound and agree with the processor to the cent."""
    shop = Site(processor)
    yield shop
    assert list(wallet_checks.findings()) == []
    assert in_the_books("processor") == at_the_processor(processor)


@pytest.fixture(autouse=True)
def _books_are_sound(request: pytest.FixtureRequest) -> Iterator[None]:
    uses_database = "db" in request.fixturenames or request.node.get_closest_marker("django_db") is not None
    if uses_database:
        request.getfixturevalue("db")
    yield
    if uses_database:
        assert list(checks.findings()) == []
