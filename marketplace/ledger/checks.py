"""What must hold in the books at any moment; each finding is one sentence with ids, never a name."""

from collections.abc import Iterator

from django.db import connection

from marketplace.core import triggers

from .guards import NAMES

_QUERIES = {
    "account {}: its totals are not the sum of its transfers": """
        SELECT a.id FROM ledger_account a WHERE a.owner_id IS NOT NULL AND (
            a.debits <> (SELECT COALESCE(SUM(amount), 0) FROM ledger_transfer WHERE debit_id = a.id)
            OR a.credits <> (SELECT COALESCE(SUM(amount), 0) FROM ledger_transfer WHERE credit_id = a.id))""",
    "account {}: below zero": """
        SELECT id FROM ledger_account WHERE kind IN ('cash', 'bonus') AND credits < debits
        UNION ALL SELECT id FROM ledger_account WHERE kind = 'owed' AND credits > debits""",
    "buyer {}: has cash and owes at the same time": """
        SELECT c.owner_id FROM ledger_account c JOIN ledger_account o ON o.owner_id = c.owner_id
        WHERE c.kind = 'cash' AND o.kind = 'owed' AND c.credits > c.debits AND o.debits > o.credits""",
    "transfer {}: no positive amount between two accounts": """
        SELECT id FROM ledger_transfer WHERE amount <= 0 OR debit_id = credit_id""",
    "transfer {}: not the mirror of what it reverses": """
        SELECT r.id FROM ledger_transfer r JOIN ledger_transfer t ON t.id = r.reverses_id
        WHERE r.amount <> t.amount OR r.debit_id <> t.credit_id OR r.credit_id <> t.debit_id""",
    "adjustment {}: what was approved is not what was moved": """
        SELECT a.id FROM ledger_adjustment a LEFT JOIN (
            SELECT reference, SUM(amount) AS total FROM ledger_transfer
            WHERE kind IN ('adjustment', 'write_off') GROUP BY reference) t
            ON t.reference = 'adjustment:' || a.public_id
        WHERE COALESCE(t.total, 0) <> CASE WHEN a.state = 'approved' THEN a.amount_cents ELSE 0 END""",
    "adjustment {}: moves the money of another member": """
        SELECT a.id FROM ledger_adjustment a JOIN ledger_transfer t ON t.reference = 'adjustment:' || a.public_id
            JOIN ledger_account o ON o.id IN (t.debit_id, t.credit_id)
        WHERE o.owner_id <> a.owner_id""",
    "transfer {}: no approved adjustment explains it": """
        SELECT t.id FROM ledger_transfer t WHERE t.kind IN ('adjustment', 'write_off') AND NOT EXISTS (
            SELECT 1 FROM ledger_adjustment a WHERE a.state = 'approved'
                AND t.reference = 'adjustment:' || a.public_id)""",
    "transfer {}: a line before it is missing": """
        SELECT t.id FROM ledger_transfer t WHERE t.line > 0 AND NOT EXISTS (
            SELECT 1 FROM ledger_transfer p WHERE p.reference = t.reference AND p.line = t.line - 1)""",
}


def findings() -> Iterator[str]:
    """Every broken invariant of the ledger; nothing if it is sound."""
    with connection.cursor() as cursor:
        for sentence, query in _QUERIES.items():
            cursor.execute(query)
            for (row,) in cursor.fetchall():
                yield f"ledger: {sentence.format(row)}"
    for name in sorted(NAMES[connection.vendor] - triggers.names()):
        yield f"ledger: trigger {name} is missing"
