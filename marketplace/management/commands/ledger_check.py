"""Prove every invariant of the books, the wallet and the purchases. Exit code 1 on any finding."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from marketplace.checks import check_books


class Command(BaseCommand):
    help = "Check the books, the wallet and the purchases; lists what is wrong and exits non-zero if anything is."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = check_books()
        for finding in findings:
            self.stdout.write(finding)
        self.stdout.write(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}")
        if findings:
            sys.exit(1)
