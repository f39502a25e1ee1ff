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
    UNION ALL SELECT p.intent_id || ':resolved:' || s.public_id, s.member_id
        FROM wallet_resolution s JOIN wallet_unexplainedpayment p ON p.id = s.payment_id
        WHERE s.state = 'approved' AND s.member_id IS NOT NULL
    UNION ALL SELECT processor_id || ':withdrawn', buyer_id FROM wallet_dispute
    UNION ALL SELECT processor_id || ':reinstated', buyer_id FROM wallet_dispute
), booked AS (
    SELECT reference, SUM(amount) AS cents FROM ledger_transfer
    WHERE kind IN ('deposit', 'resolved', 'refund', 'dispute', 'reinstated') GROUP BY reference
), given AS (
    SELECT p.intent_id, SUM(b.cents) AS cents FROM wallet_resolution s
        JOIN wallet_unexplainedpayment p ON p.id = s.payment_id
        JOIN booked b ON b.reference = p.intent_id || ':resolved:' || s.public_id
    GROUP BY p.intent_id
)"""

_QUERIES = {
    "deposit {}: what it received is not what was credited": """
        SELECT d.id FROM wallet_deposit d LEFT JOIN booked b ON b.reference = d.intent_id || ':credit'
            LEFT JOIN given g ON g.intent_id = d.intent_id
        WHERE d.received_cents <> COALESCE(b.cents, 0) + COALESCE(g.cents, 0)""",
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
    "unexplained payment {}: what was received or given away is not what was booked": """
        SELECT p.id FROM wallet_unexplainedpayment p LEFT JOIN given g ON g.intent_id = p.intent_id
        WHERE p.resolved_cents <> COALESCE(g.cents, 0) OR p.received_cents <> COALESCE((
            SELECT SUM(t.amount) FROM ledger_transfer t
            WHERE t.kind = 'suspense' AND t.reference = p.intent_id || ':credit'), 0)""",
    "suspense: {} cents more than is left of the unexplained payments": """
        SELECT cents FROM (SELECT COALESCE((
            SELECT SUM(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END) FROM ledger_transfer t
                JOIN ledger_account a ON a.kind = 'suspense' AND a.id IN (t.debit_id, t.credit_id)), 0)
            - COALESCE((SELECT SUM(received_cents - returned_cents - resolved_cents)
                FROM wallet_unexplainedpayment), 0) AS cents) differ
        WHERE cents <> 0""",
    "transfer {}: no deposit, refund or dispute explains it": """
        SELECT t.id FROM ledger_transfer t WHERE (
            (t.kind = 'deposit' AND t.reference LIKE '%:credit')
            OR t.kind IN ('resolved', 'refund', 'dispute', 'reinstated'))
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
