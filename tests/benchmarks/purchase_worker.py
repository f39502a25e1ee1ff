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

from django.db import connection  # noqa: E402

from accounts.models import User  # noqa: E402
from marketplace.core.refusals import Refusal  # noqa: E402
from marketplace.leads.models import Lead, Vertical  # noqa: E402
from marketplace.purchases.services import buy_lead  # noqa: E402
from tests.benchmarks.market import PRICE  # noqa: E402


def main(seconds: float, leads: int, buyers: int, worker: int, workers: int, kind: str) -> None:
    now = django.utils.timezone.now()
    vertical = Vertical.objects.first()
    dice = random.Random()  # another walk in every run: a pair of buyer and lead succeeds once
    # On the hot lead every buyer buys once, so each worker takes buyers of its own, from where the last run ended.
    mine = iter(range(worker + 1, buyers + 1, workers))
    if kind == "hot":
        done_before = Lead.objects.get(pk=1).slots_sold
        for _ in range(done_before):
            next(mine, None)
    connection.ensure_connection()
    bought = refused = 0
    print("ready", flush=True)
    sys.stdin.readline()
    cpu = time.process_time()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        number = next(mine, 0) if kind == "hot" else dice.randint(1, buyers)
        if not number:
            break
        buyer = User(pk=number, public_id=f"buyer{number}", email_verified_at=now, first_purchase_at=now)
        lead_id = 1 if kind == "hot" else dice.randint(1, leads)
        lead = Lead(pk=lead_id, public_id=f"bench{lead_id}", vertical=vertical, city="Columbus", state="OH")
        try:
            buy_lead(buyer, lead, price_seen=PRICE, key=secrets.token_hex(8))
            bought += 1
        except Refusal:
            refused += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(bought, refused, time.process_time() - cpu, peak, flush=True)


if __name__ == "__main__":
    _, seconds, leads, buyers, worker, workers, kind = sys.argv
    main(float(seconds), int(leads), int(buyers), int(worker), int(workers), kind)
