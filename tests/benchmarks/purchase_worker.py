"""One process that buys for a while through the service and prints how many purchases and how much CPU it took.

Arguments: seconds, number of leads, number of buyers, which of how many workers, "hot" or "wide".
"""

import random
import resource
import secrets
import sys
import time

import django

django.setup()

from accounts.models import User  # noqa: E402
from marketplace.core.refusals import Refusal  # noqa: E402
from marketplace.leads.models import Lead, Vertical  # noqa: E402
from marketplace.purchases.models import Purchase  # noqa: E402
from marketplace.purchases.services import buy_lead  # noqa: E402
from tests.benchmarks.market import PRICE  # noqa: E402

NOW = django.utils.timezone.now()


def buy(vertical: Vertical, buyer: int, lead: int) -> bool:
    """One purchase through the service; whether it came about."""
    who = User(pk=buyer, public_id=f"buyer{buyer}", email_verified_at=NOW, first_purchase_at=NOW)
    what = Lead(pk=lead, public_id=f"bench{lead}", vertical=vertical, city="Columbus", state="OH")
    try:
        buy_lead(who, what, price_seen=PRICE, key=secrets.token_hex(8))
    except Refusal:
        return False
    return True


def main(seconds: float, leads: int, buyers: int, worker: int, workers: int, kind: str) -> None:
    vertical = Vertical.objects.get(slug="auto-insurance")
    dice = random.Random()  # another walk in every run: a pair of buyer and lead succeeds once
    # On the hot lead every buyer buys once, so each worker takes buyers of its own who have not done so yet.
    taken = set(Purchase.objects.filter(lead_id=1).values_list("buyer_id", flat=True))
    mine = iter([number for number in range(worker + 1, buyers + 1, workers) if number not in taken])
    # A server has loaded its addresses and spoken to its broker long before; here the first purchase does both.
    while not buy(vertical, dice.randint(1, buyers), dice.randint(2, leads)):
        pass
    bought = refused = 0
    print("ready", flush=True)
    sys.stdin.readline()
    cpu = time.process_time()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        buyer = next(mine, 0) if kind == "hot" else dice.randint(1, buyers)
        if not buyer:
            break
        if buy(vertical, buyer, 1 if kind == "hot" else dice.randint(1, leads)):
            bought += 1
        else:
            refused += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(bought, refused, time.process_time() - cpu, peak, flush=True)


if __name__ == "__main__":
    _, seconds, leads, buyers, worker, workers, kind = sys.argv
    main(float(seconds), int(leads), int(buyers), int(worker), int(workers), kind)
