"""What a buyer writes down about a lead."""

import hashlib
from datetime import timedelta

from marketplace.core import clock
from marketplace.core.cards import mask_cards
from marketplace.core.ids import new_id
from marketplace.core.transactions import in_transaction

from .models import Note, Purchase

REMOVED_NOTES_KEPT = timedelta(hours=1)


@in_transaction
def add_note(purchase: Purchase, text: str, *, key: str = "") -> Note:
    """Add a note that only the buyer sees. Card numbers are masked before anything is stored.

    The same ``key`` and text again answer with the first note, which is there even if it was removed meanwhile, so that
    a double tap keeps one; another text is another note. Without a key every note is a new one.
    """
    once = hashlib.sha256(f"{key or new_id()}:{text}".encode()).hexdigest()
    new = {"text": mask_cards(text), "created_at": clock.now()}
    wanted = Note.objects.select_for_update(no_key=True)
    return wanted.update_or_create(purchase=purchase, key=once, defaults={"removed_at": None}, create_defaults=new)[0]


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
