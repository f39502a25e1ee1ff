"""``manage.py demo``: people, 5,000 leads and a few purchases to look at. All of it is made up."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from marketplace.checks import check_books
from marketplace.demo_data import leads, people, purchases
from marketplace.leads import market


class Command(BaseCommand):
    help = "Load the demo. Safe to run again: what is there stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--leads", type=int, default=leads.LEADS, help="how many leads to have on sale")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo's people have a password that everybody knows. Set DEBUG to load them.")
        if options["leads"] < 1:
            raise CommandError("--leads takes a number from 1.")
        if purchases.is_done():
            self.stdout.write("The demo is loaded.")
            return
        people.make_people()
        people.fund()
        leads.import_files(options["leads"], tell=self.stdout.write)
        purchases.buy()
        market.count()
        market.look_around()
        check_books()
        self.stdout.write(f"Sign in as {people.ALICE.email} with the password {people.PASSWORD}.")
