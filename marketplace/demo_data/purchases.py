"""What Alice and Bob bought, and how far they are with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from accounts.models import User
from marketplace.core import clock
from marketplace.leads.models import Lead
from marketplace.leads.services import LeadUnavailable, PriceChanged
from marketplace.purchases.calls import log_call, plan_call
from marketplace.purchases.models import CallAttempt, Order, Purchase
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import AlreadyBought, Wanted, buy_leads, new_key
from marketplace.purchases.stages import set_stage

from .people import ALICE, BOB, member

Stage = Purchase.Stage
CALL = CallAttempt.Outcome
MAX_PRICE_CENTS = 75_00
LAST_KEY = "demo:bob:4"


@dataclass(frozen=True)
class Buy:
    """One purchase: for which vertical, from which age band on, exclusive or shared; and what became of it: stage,
    notes, calls, and when the next one is planned."""

    vertical: str
    band: int
    stage: str = Stage.NEW
    notes: tuple[str, ...] = ()
    exclusive: bool = False
    calls: tuple[str, ...] = ()
    call_in_hours: float | None = None


ALICES = (
    Buy(
        "auto-insurance",
        0,
        Stage.WON,
        ("Called within five minutes, wants both cars on one policy.", "Signed."),
        calls=(CALL.SPOKE,),
    ),
    Buy(
        "home-insurance",
        0,
        Stage.QUOTED,
        ("Sent two quotes, decides on Friday.",),
        calls=(CALL.NO_ANSWER, CALL.SPOKE),
        call_in_hours=48,
    ),
    Buy(
        "auto-insurance",
        1,
        Stage.CONTACTED,
        ("Left a voicemail, will try again after five.",),
        exclusive=True,
        calls=(CALL.LEFT_MESSAGE,),
        call_in_hours=-1,
    ),
    Buy("life-insurance", 1, Stage.QUOTED, ("Asked for the 20-year term too.",)),
    Buy("auto-insurance", 2, Stage.LOST, ("Went with an agent down the street.",)),
    Buy("home-insurance", 2, Stage.WON),
    Buy("health-insurance", 2, Stage.CONTACTED),
    Buy("medicare", 3, Stage.LOST, ("Nobody picks up. Three tries.",), calls=(CALL.NO_ANSWER,) * 3),
    Buy("auto-insurance", 3, Stage.QUOTED),
    Buy("life-insurance", 4, Stage.CONTACTED, ("Call back on Monday morning.",)),
    Buy("home-insurance", 0),
    Buy("auto-insurance", 0),
)
BOBS = (
    Buy("mortgage", 2, Stage.CONTACTED, ("Wants to wait for rates.",)),
    Buy("mortgage", 3, Stage.QUOTED),
)
BOTH = 2  # how many of Alice's shared leads Bob bought too


def buy() -> None:
    """Make the purchases that are missing."""
    alice, bob = member(ALICE), member(BOB)
    for number, wish in enumerate(ALICES, start=1):
        _buy(alice, wish, _on_offer(wish, alice), f"demo:alice:{number}")
    for number, wish in enumerate(BOBS, start=1):
        _buy(bob, wish, _on_offer(wish, bob), f"demo:bob:{number}")
    of_alice = Lead.objects.on_sale().filter(purchases__buyer=alice).order_by("price_cents", "pk")
    for number in range(len(BOBS) + 1, len(BOBS) + BOTH + 1):
        _buy(bob, Buy("", 0), of_alice.exclude(purchases__buyer=bob), f"demo:bob:{number}")


def is_done() -> bool:
    """Whether the last purchase was made, which is the last thing the demo makes."""
    return Order.objects.filter(buyer__email=BOB.email, key=LAST_KEY).exists()


def _on_offer(wish: Buy, buyer: User) -> list[Lead]:
    """A few leads that fit, those in the buyer's states first."""
    leads = Lead.objects.on_sale().priced(high=MAX_PRICE_CENTS).of_vertical(wish.vertical)
    leads = leads.exclusive() if wish.exclusive else leads.shared()
    leads = leads.filter(age_band__gte=wish.band).order_by("age_band", "-asked_at", "pk")
    return [*leads.in_state(*buyer.licensed_states)[:3], *leads[:3]]


@transaction.atomic
def _buy(buyer: User, wish: Buy, on_offer: Iterable[Lead], key: str) -> None:
    """The first of ``on_offer`` that can be bought; a small demo may have none."""
    if Order.objects.filter(buyer=buyer, key=key).exists():
        return
    for lead in on_offer:
        try:
            with transaction.atomic():
                bought = buy_leads(buyer, [Wanted(lead, lead.price_cents)], key=key).purchases[0]
        except (AlreadyBought, LeadUnavailable, PriceChanged):
            continue
        set_stage(bought, wish.stage)
        for note in wish.notes:
            add_note(bought, note)
        for outcome in wish.calls:
            log_call(bought, outcome, key=new_key())
        if wish.call_in_hours is not None:
            plan_call(bought, clock.now() + timedelta(hours=wish.call_in_hours))
        return
