"""Prove every invariant of the books, the wallet and the purchases. Exit code 1 on any finding."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from marketplace.ledger import checks as ledger_checks
from marketplace.purchases import checks as purchase_checks
from marketplace.wallet import checks as wallet_checks


class Command(BaseCommand):
    help = "Check the books, the wallet and the purchases; lists what is wrong and exits non-zero if anything is."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = [*ledger_checks.findings(), *wallet_checks.findings(), *purchase_checks.findings()]
        for finding in findings:
            self.stdout.write(finding)
        self.stdout.write(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}")
        if findings:
            sys.exit(1)
