"""What a buyer writes down about a lead."""

from datetime import timedelta

from marketplace.core import clock
from marketplace.core.cards import mask_cards

from .models import Note, Purchase

REMOVED_NOTES_KEPT = timedelta(hours=1)


def add_note(purchase: Purchase, text: str) -> Note:
    """Add a note that only the buyer sees. Card numbers are masked before anything is stored."""
    return Note.objects.create(purchase=purchase, text=mask_cards(text), created_at=clock.now())


def remove_note(purchase: Purchase, note_id: str) -> None:
    """Remove a note of this purchase: it is gone from every page at once, and for good after an hour. Removing it twice
    changes nothing."""
    purchase.notes.kept().filter(public_id=note_id).update(removed_at=clock.now())


def restore_note(purchase: Purchase, note_id: str) -> bool:
    """Bring a removed note of this purchase back; returns False if it is gone for good. Twice changes nothing."""
    wanted = purchase.notes.filter(public_id=note_id).exclude(removed_at__lt=clock.now() - REMOVED_NOTES_KEPT)
    return bool(wanted.update(removed_at=None))


def forget_notes() -> int:
    """Delete the notes that were removed more than an hour ago; returns how many."""
    return Note.objects.removed_before(clock.now() - REMOVED_NOTES_KEPT).delete()[0]
