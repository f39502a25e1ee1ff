"""A row for each payment that stood in suspense before there were rows.

What went back of one before cannot be told apart here: the books name the refund, not its payment. ``ledger_check`` says
if there is any.
"""

from django.db import migrations


def make_rows(apps, schema_editor):
    credits = apps.get_model("ledger", "Transfer").objects.filter(
        kind="suspense", credit__kind="suspense", reference__endswith=":credit"
    )
    rows = apps.get_model("wallet", "UnexplainedPayment")
    known = set(rows.objects.values_list("intent_id", flat=True))
    missing = [
        rows(intent_id=intent_id, received_cents=cents, arrived_at=moment)
        for intent_id, cents, moment in (
            (reference.removesuffix(":credit"), amount, created_at)
            for reference, amount, created_at in credits.values_list("reference", "amount", "created_at")
        )
        if intent_id not in known
    ]
    rows.objects.bulk_create(missing, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0004_reconciliation_and_unexplained_payments"),
        ("ledger", "0002_known_kinds"),
    ]

    operations = [migrations.RunPython(make_rows, migrations.RunPython.noop, elidable=True)]
