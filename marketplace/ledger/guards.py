"""The ledger's triggers. They say the same on both databases and are installed after every migrate.

A buyer's totals may only move together with ``last_transfer``, and only to a newer transfer that explains the change
to the cent. There is no flag to set and no guard row to lose: a direct edit has no transfer to name.
"""

from marketplace.core import triggers

_EXPLAINED = """
    SELECT 1 FROM ledger_transfer t
    WHERE t.id = NEW.last_transfer AND t.id > OLD.last_transfer AND NEW.owner_id IS NOT NULL
      AND NEW.debits - OLD.debits = CASE WHEN t.debit_id = NEW.id THEN t.amount ELSE 0 END
      AND NEW.credits - OLD.credits = CASE WHEN t.credit_id = NEW.id THEN t.amount ELSE 0 END
      AND NEW.id IN (t.debit_id, t.credit_id)"""

_SQLITE = [
    """CREATE TRIGGER IF NOT EXISTS ledger_whole_cents BEFORE INSERT ON ledger_transfer
    WHEN typeof(NEW.amount) <> 'integer'
    BEGIN SELECT RAISE(ABORT, 'ledger: amounts are whole cents'); END""",
    """CREATE TRIGGER IF NOT EXISTS ledger_apply AFTER INSERT ON ledger_transfer BEGIN
    UPDATE ledger_account SET debits = debits + NEW.amount, last_transfer = NEW.id
        WHERE id = NEW.debit_id AND owner_id IS NOT NULL;
    UPDATE ledger_account SET credits = credits + NEW.amount, last_transfer = NEW.id
        WHERE id = NEW.credit_id AND owner_id IS NOT NULL;
    END""",
    f"""CREATE TRIGGER IF NOT EXISTS ledger_totals BEFORE UPDATE OF debits, credits, last_transfer ON ledger_account
    WHEN NOT EXISTS ({_EXPLAINED})
    BEGIN SELECT RAISE(ABORT, 'ledger: totals move only by transfer'); END""",
    """CREATE TRIGGER IF NOT EXISTS ledger_identity BEFORE UPDATE OF id, kind, owner_id ON ledger_account
    BEGIN SELECT RAISE(ABORT, 'ledger: an account keeps its kind and owner'); END""",
    """CREATE TRIGGER IF NOT EXISTS ledger_no_delete BEFORE DELETE ON ledger_account
    BEGIN SELECT RAISE(ABORT, 'ledger: accounts are never deleted'); END""",
    """CREATE TRIGGER IF NOT EXISTS ledger_starts_empty BEFORE INSERT ON ledger_account
    WHEN NEW.debits <> 0 OR NEW.credits <> 0 OR NEW.last_transfer <> 0
    BEGIN SELECT RAISE(ABORT, 'ledger: an account starts empty'); END""",
]

_POSTGRESQL = [
    """CREATE OR REPLACE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- ascending id, as everywhere, so that two transfers never wait for each other in a circle
        IF NEW.debit_id < NEW.credit_id THEN
            UPDATE ledger_account SET debits = debits + NEW.amount, last_transfer = NEW.id
                WHERE id = NEW.debit_id AND owner_id IS NOT NULL;
        END IF;
        UPDATE ledger_account SET credits = credits + NEW.amount, last_transfer = NEW.id
            WHERE id = NEW.credit_id AND owner_id IS NOT NULL;
        IF NEW.debit_id > NEW.credit_id THEN
            UPDATE ledger_account SET debits = debits + NEW.amount, last_transfer = NEW.id
                WHERE id = NEW.debit_id AND owner_id IS NOT NULL;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE OR REPLACE TRIGGER ledger_apply AFTER INSERT ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_apply()""",
    f"""CREATE OR REPLACE FUNCTION ledger_account_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF (NEW.debits, NEW.credits, NEW.last_transfer) IS DISTINCT FROM (0::bigint, 0::bigint, 0::bigint) THEN
                RAISE EXCEPTION 'ledger: an account starts empty' USING ERRCODE = '23001';
            END IF;
            RETURN NEW;
        END IF;
        IF TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'ledger: accounts are never deleted' USING ERRCODE = '23001';
        END IF;
        IF (NEW.id, NEW.kind, NEW.owner_id) IS DISTINCT FROM (OLD.id, OLD.kind, OLD.owner_id) THEN
            RAISE EXCEPTION 'ledger: an account keeps its kind and owner' USING ERRCODE = '23001';
        END IF;
        IF (NEW.debits, NEW.credits, NEW.last_transfer) IS DISTINCT FROM (OLD.debits, OLD.credits, OLD.last_transfer)
            AND NOT EXISTS ({_EXPLAINED}) THEN
            RAISE EXCEPTION 'ledger: totals move only by transfer' USING ERRCODE = '23001';
        END IF;
        RETURN NEW;
    END $$""",
    """CREATE OR REPLACE TRIGGER ledger_account_guard BEFORE INSERT OR UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_guard()""",
    """CREATE OR REPLACE TRIGGER ledger_account_no_truncate BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_account_guard()""",
]

STATEMENTS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
NAMES = {
    "sqlite": {
        "ledger_whole_cents",
        "ledger_apply",
        "ledger_totals",
        "ledger_identity",
        "ledger_no_delete",
        "ledger_starts_empty",
        "ledger_transfer_no_update",
        "ledger_transfer_no_delete",
    },
    "postgresql": {
        "ledger_apply",
        "ledger_account_guard",
        "ledger_account_no_truncate",
        "ledger_transfer_no_change",
        "ledger_transfer_no_truncate",
    },
}


def install(using: str) -> None:
    """Make every guard that is missing."""
    triggers.install(using, triggers.append_only("ledger_transfer"))
    triggers.install(using, STATEMENTS)
