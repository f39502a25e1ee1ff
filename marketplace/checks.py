"""The daily check of the books: every invariant of the ledger, the wallet and the purchases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction

from marketplace.core import clock, logs
from marketplace.core.links import absolute
from marketplace.ledger import checks as ledger_checks
from marketplace.purchases import checks as purchase_checks
from marketplace.wallet import checks as wallet_checks

from .emails import Concern, tell_owners
from .models import CheckRun

log = logs.get("leadfair.checks")
KEPT = 20  # sentences; one cause often breaks many rows
LONGEST_STATEMENT = "10min"


def check_books() -> list[str]:
    """Look for everything that does not add up, keep what was found, and tell the owners; one sentence a finding."""
    started = clock.now()
    with _with_patience():
        findings = [*ledger_checks.findings(), *wallet_checks.findings(), *purchase_checks.findings()]
    CheckRun.objects.create(
        what=CheckRun.What.LEDGER,
        started_at=started,
        ended_at=clock.now(),
        findings_count=len(findings),
        first_findings=findings[:KEPT],
    )
    say = log.error if findings else log.info
    say("books checked", findings=len(findings))
    if findings:
        tell_owners(books_do_not_add_up(len(findings), findings))
    return findings


def books_do_not_add_up(number: int, first: Sequence[str]) -> Concern:
    """What the owners are told of a check with this ``number`` of findings."""
    return Concern(
        "ledger",
        "the books do not add up",
        f"The check of the books found what must not be, {number} times. The first: {first[0]}.",
        "Run manage.py ledger_check, which lists all of it, and find the cause first. Books are never edited: "
        "a mistake is reversed by a new row.",
        where=absolute("admin:marketplace_checkrun_changelist"),
    )


@contextmanager
def _with_patience() -> Iterator[None]:
    """A question about all books may take longer than a page's. On SQLite a transaction would keep the writers out, and
    there is no limit to lift."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'")
        yield
