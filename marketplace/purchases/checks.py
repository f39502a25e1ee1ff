"""What must hold between leads, purchases, the books and the outbox; each finding names ids only."""

from collections.abc import Iterator

from django.db import connection

_QUERIES = {
    "lead {}: slots sold are not its purchases": """
        SELECT l.id FROM leads_lead l LEFT JOIN (
            SELECT lead_id, COUNT(*) AS n FROM purchases_purchase GROUP BY lead_id) s ON s.lead_id = l.id
        WHERE l.slots_sold <> COALESCE(s.n, 0)""",
    "lead {}: more buyers than it has slots": """
        SELECT id FROM leads_lead WHERE slots_sold > slots_total""",
    "purchase {}: the money moved is not its price": """
        SELECT p.id FROM purchases_purchase p LEFT JOIN (
            SELECT reference, SUM(amount) AS total FROM ledger_transfer WHERE kind = 'purchase' GROUP BY reference) t
            ON t.reference = 'purchase:' || p.public_id
        WHERE COALESCE(t.total, 0) <> p.price_cents""",
    "purchase {}: paid from somebody else's account": """
        SELECT p.id FROM purchases_purchase p
            JOIN ledger_transfer t ON t.reference = 'purchase:' || p.public_id AND t.kind = 'purchase'
            JOIN ledger_account a ON a.id = t.debit_id
        WHERE a.owner_id IS NULL OR a.owner_id <> p.buyer_id""",
    "transfer {}: pays for a purchase that does not exist": """
        SELECT t.id FROM ledger_transfer t WHERE t.kind = 'purchase' AND NOT EXISTS (
            SELECT 1 FROM purchases_purchase p WHERE t.reference = 'purchase:' || p.public_id)""",
    "purchase {}: what was credited is not what its credits moved": """
        SELECT p.id FROM purchases_purchase p LEFT JOIN (
            SELECT c.purchase_id, SUM(t.amount) AS total FROM purchases_credit c
                JOIN ledger_transfer t ON t.reference = 'credit:' || c.public_id AND t.kind = 'credit'
                JOIN ledger_account a ON a.id = t.credit_id AND a.owner_id = c.buyer_id
            WHERE c.state = 'approved' GROUP BY c.purchase_id) m ON m.purchase_id = p.id
        WHERE p.credited_cents <> COALESCE(m.total, 0)""",
    "credit {}: of another buyer than its purchase": """
        SELECT c.id FROM purchases_credit c JOIN purchases_purchase p ON p.id = c.purchase_id
        WHERE c.buyer_id <> p.buyer_id""",
    "transfer {}: credits a purchase without an approved credit": """
        SELECT t.id FROM ledger_transfer t WHERE t.kind = 'credit' AND NOT EXISTS (
            SELECT 1 FROM purchases_credit c WHERE c.state = 'approved' AND t.reference = 'credit:' || c.public_id)""",
    "order {}: no purchase": """
        SELECT o.id FROM purchases_order o WHERE NOT EXISTS (
            SELECT 1 FROM purchases_purchase p WHERE p.order_id = o.id)""",
    "order {}: no receipt in the outbox": """
        SELECT o.id FROM purchases_order o WHERE NOT EXISTS (
            SELECT 1 FROM mail_outgoingemail m WHERE m.key = 'purchase:' || o.public_id)""",
}


def findings() -> Iterator[str]:
    """Every broken invariant of the purchases; nothing if all is sound."""
    with connection.cursor() as cursor:
        for sentence, query in _QUERIES.items():
            cursor.execute(query)
            for (row,) in cursor.fetchall():
                yield f"purchases: {sentence.format(row)}"
