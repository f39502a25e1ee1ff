"""Say in words what is wrong with this set-up. Exit code 1 on any error; warnings alone are 0."""

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand

from marketplace.doctor import examine


class Command(BaseCommand):
    help = "Say what is wrong with this set-up and what to do; exits non-zero if anything has to be done."
    requires_system_checks = []  # they would end with a traceback what is to be said in words

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable()  # what is in the way is said in words
        try:
            errors = self._say_all()
        finally:
            logging.disable(logging.NOTSET)
        if errors:
            sys.exit(1)

    def _say_all(self) -> int:
        errors = warnings = 0
        for name, found in examine():
            if not found:
                self.stdout.write(f"ok       {name}")
            for finding in sorted(found, key=lambda finding: not finding.is_error):
                self.stdout.write(f"{'ERROR' if finding.is_error else 'warning':8} {name}: {finding.said}")
                errors, warnings = errors + finding.is_error, warnings + (not finding.is_error)
        self.stdout.write(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
        return errors


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
