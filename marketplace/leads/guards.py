"""The number of buyers a lead may have is fixed when it is made, and no sale is taken back from the count."""

from marketplace.core import triggers

STATEMENTS = {
    "sqlite": [
        """CREATE TRIGGER IF NOT EXISTS leads_slots_fixed BEFORE UPDATE OF slots_total, slots_sold ON leads_lead
        WHEN NEW.slots_total <> OLD.slots_total OR NEW.slots_sold < OLD.slots_sold
        BEGIN SELECT RAISE(ABORT, 'leads: slots are fixed for ever'); END""",
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION leads_slots_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'leads: slots are fixed for ever' USING ERRCODE = '23001';
        END $$""",
        """CREATE OR REPLACE TRIGGER leads_slots_fixed BEFORE UPDATE OF slots_total, slots_sold ON leads_lead
        FOR EACH ROW WHEN (NEW.slots_total <> OLD.slots_total OR NEW.slots_sold < OLD.slots_sold)
        EXECUTE FUNCTION leads_slots_fixed()""",
    ],
}


def install(using: str) -> None:
    """Make the guard if it is missing."""
    triggers.install(using, STATEMENTS)
