"""A program that buys one lead after the other and dies in each: after statement 0, 1, 2 ... or once it has committed.

Arguments: name of the database, "whole" or "piecemeal" (the control: each statement is committed at once), the buyer's
id, the price in cents, then a key and a lead's id for each death. Prints for each how many statements had run.
"""

import os
import signal
import sys

import django
from django.conf import settings

settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()

from django.db import connection  # noqa: E402

from accounts.models import User  # noqa: E402
from marketplace.leads.models import Lead  # noqa: E402
from marketplace.purchases.services import buy_lead  # noqa: E402


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def buy_and_die(last: int, kind: str, buyer_id: int, lead_id: int, price: int, key: str, out: int) -> None:
    """Buy, and be gone after statement number ``last``, or after the commit if there are fewer."""
    buyer, lead = User.objects.get(pk=buyer_id), Lead.objects.select_related("vertical").get(pk=lead_id)
    done = 0

    def count(execute, *arguments):
        nonlocal done
        answer = execute(*arguments)
        if kind == "piecemeal":
            connection.connection.commit()
        done += 1
        os.write(out, b".")
        if done == last:
            die()
        return answer

    if last == 0:
        die()
    with connection.execute_wrapper(count):
        buy_lead(buyer, lead, price_seen=price, key=key)
    die()


def main(kind: str, buyer_id: str, price: str, *deaths: str) -> None:
    for last, (key, lead_id) in enumerate(zip(deaths[::2], deaths[1::2], strict=True)):
        there, out = os.pipe()
        child = os.fork()  # nothing is connected yet: each child opens a connection of its own
        if not child:
            buy_and_die(last, kind, int(buyer_id), int(lead_id), int(price), key, out)
        os.close(out)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the buyer of {key} did not die but failed"
        with os.fdopen(there) as dots:
            print(len(dots.read()))


main(*sys.argv[2:])
