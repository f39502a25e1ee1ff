"""What must hold between deposits, refunds, disputes and the books; each finding names ids only.

Money the wallet booked carries the processor's id in its reference, so that the rows and the books can be compared from
both sides.
"""

from collections.abc import Iterator

from django.db import connection

# Every fact a row of ours stands for, with the member whose money it moves.
_FACTS = """
WITH facts AS (
    SELECT intent_id || ':credit' AS reference, buyer_id FROM wallet_deposit WHERE state = 'paid'
    UNION ALL SELECT r.processor_id || ':out', d.buyer_id
        FROM wallet_refund r JOIN wallet_deposit d ON d.id = r.deposit_id
    UNION ALL SELECT r.processor_id || ':back', d.buyer_id
        FROM wallet_refund r JOIN wallet_deposit d ON d.id = r.deposit_id
    UNION ALL SELECT processor_id || ':withdrawn', buyer_id FROM wallet_dispute
    UNION ALL SELECT processor_id || ':reinstated', buyer_id FROM wallet_dispute
), booked AS (
    SELECT reference, SUM(amount) AS cents FROM ledger_transfer
    WHERE kind IN ('deposit', 'refund', 'dispute', 'reinstated') GROUP BY reference
)"""

_QUERIES = {
    "deposit {}: what it received is not what was credited": """
        SELECT d.id FROM wallet_deposit d LEFT JOIN booked b ON b.reference = d.intent_id || ':credit'
        WHERE d.received_cents <> COALESCE(b.cents, 0)""",
    "deposit {}: paid without money, or money without being paid": """
        SELECT id FROM wallet_deposit WHERE (state = 'paid') <> (received_cents > 0)""",
    "refund {}: what left is not what was refunded": """
        SELECT r.id FROM wallet_refund r LEFT JOIN booked b ON b.reference = r.processor_id || ':out'
        WHERE r.amount_cents <> COALESCE(b.cents, 0)""",
    "refund {}: what came back is not what did not arrive": """
        SELECT r.id FROM wallet_refund r LEFT JOIN booked b ON b.reference = r.processor_id || ':back'
        WHERE COALESCE(b.cents, 0) <> CASE WHEN r.state IN ('failed', 'canceled') THEN r.amount_cents ELSE 0 END""",
    "dispute {}: what was withdrawn is neither nothing nor what is disputed": """
        SELECT p.id FROM wallet_dispute p JOIN booked b ON b.reference = p.processor_id || ':withdrawn'
        WHERE b.cents <> p.amount_cents""",
    "dispute {}: more came back than was withdrawn": """
        SELECT p.id FROM wallet_dispute p JOIN booked b ON b.reference = p.processor_id || ':reinstated'
            LEFT JOIN booked w ON w.reference = p.processor_id || ':withdrawn'
        WHERE b.cents > COALESCE(w.cents, 0)""",
    "dispute {}: of another member than its deposit": """
        SELECT p.id FROM wallet_dispute p JOIN wallet_deposit d ON d.id = p.deposit_id
        WHERE p.buyer_id <> d.buyer_id""",
    "transfer {}: no deposit, refund or dispute explains it": """
        SELECT t.id FROM ledger_transfer t WHERE (
            (t.kind = 'deposit' AND t.reference LIKE '%:credit') OR t.kind IN ('refund', 'dispute', 'reinstated'))
            AND NOT EXISTS (SELECT 1 FROM facts f WHERE f.reference = t.reference)""",
    "transfer {}: moves the money of another member": """
        SELECT t.id FROM ledger_transfer t JOIN facts f ON f.reference = t.reference
            JOIN ledger_account a ON a.id IN (t.debit_id, t.credit_id)
        WHERE a.owner_id <> f.buyer_id""",
}


def findings() -> Iterator[str]:
    """Everything in which the wallet and the books differ; nothing if all is sound."""
    with connection.cursor() as cursor:
        for sentence, query in _QUERIES.items():
            cursor.execute(_FACTS + query)
            for (row,) in cursor.fetchall():
                yield f"wallet: {sentence.format(row)}"
