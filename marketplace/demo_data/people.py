"""The demo's members and staff, and the money of its buyers."""

from dataclasses import dataclass, field

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from accounts.services import require_verified
from marketplace.core import clock
from marketplace.core.money import CURRENCY
from marketplace.staff.roles import FINANCE, SUPPORT
from marketplace.staff.roles import OWNER as OWNER_ROLE
from marketplace.wallet import deposits
from marketplace.wallet.gateway import Payment
from marketplace.wallet.models import BillingDetails, Deposit
from privacy.policy.models import Document
from privacy.policy.services import accept, in_force

PASSWORD = "leadfair-demo"  # noqa: S105 - it is printed on the screen; there are no such people without DEBUG


@dataclass(frozen=True)
class Person:
    """Somebody of the demo, with the role of theirs if they are of our staff."""

    email: str
    handle: str
    profile: dict[str, object] = field(default_factory=dict)
    role: str = ""


ALICE = Person(
    "alice@example.com", "Alice",
    {"business_name": "Alice Insurance", "licensed_states": ["OH", "IN", "KY"], "time_zone": "America/New_York"},
)  # fmt: skip
BOB = Person("bob@example.com", "Bob", {"business_name": "Bob Mortgage", "time_zone": "America/Chicago"})
CHARLIE = Person("charlie@example.com", "Charlie", role=SUPPORT)
DANA = Person("dana@example.com", "Dana", role=FINANCE)
OWNER = Person("admin@example.com", "Owner", role=OWNER_ROLE)
EVERYBODY = (ALICE, BOB, CHARLIE, DANA, OWNER)
# The processor's name of the payment, who paid, cents.
PAYMENTS = (
    ("pi_demo_alice", ALICE, 1_000_00),
    ("pi_demo_alice_2", ALICE, 500_00),
    ("pi_demo_bob", BOB, 750_00),
)


def make_people() -> None:
    """Make those that are missing."""
    known = set(User.objects.filter(email__in=[person.email for person in EVERYBODY]).values_list("email", flat=True))
    for person in EVERYBODY:
        if person.email not in known:
            _make(person)


@transaction.atomic
def _make(person: Person) -> None:
    now = clock.now()
    user = User.objects.create_user(
        person.email,
        person.handle,
        PASSWORD,
        email_verified_at=now,
        adult_stated_at=now,
        is_staff=bool(person.role),
        is_superuser=person is OWNER,
        **person.profile,
    )
    user.groups.set(Group.objects.filter(name=person.role))
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    terms = in_force(Document.TERMS)
    accept(user, terms, sha256=terms.sha256, surface="demo")
    if person is ALICE:
        BillingDetails.objects.create(
            owner=user, name="Alice Insurance", address="1 Example Street", city="Columbus", state="OH",
            postal_code="43215",
        )  # fmt: skip


def member(person: Person) -> User:
    """The member this person is."""
    return User.objects.get(email=person.email)


def fund() -> None:
    """Book the payments that are not booked yet, as the processor's news of them would be."""
    for payment_id, person, cents in PAYMENTS:
        with transaction.atomic():
            if not Deposit.objects.filter(intent_id=payment_id).exists():
                _pay(payment_id, member(person), cents)


def _pay(payment_id: str, buyer: User, cents: int) -> None:
    require_verified(buyer)
    now = clock.now()
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=cents, created_at=now, expires_at=now + deposits.CHECKOUT_OPEN
    )
    deposits.settle(
        Payment(
            id=payment_id,
            status="succeeded",
            received=cents,
            currency=CURRENCY,
            deposit_id=deposit.public_id,
            settled=cents,
            fee=30 + cents * 29 // 1000,
        )
    )
