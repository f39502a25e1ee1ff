"""How far a buyer is with a lead."""

from marketplace.core import clock
from marketplace.core.transactions import in_transaction

from .models import Purchase


@in_transaction
def set_stage(purchase: Purchase, stage: str) -> str:
    """Say which stage the purchase is in; saying it twice changes nothing. Returns the stage it was in before."""
    wanted = Purchase.Stage(stage)
    former = Purchase.objects.select_for_update(no_key=True).values_list("stage", flat=True).get(pk=purchase.pk)
    if former != wanted:
        Purchase.objects.filter(pk=purchase.pk).update(stage=wanted, stage_changed_at=clock.now())
    return former
