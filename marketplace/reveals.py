"""Looking at personal details, by any door: the vault writes it down first, and owners hear of who looks at many."""

from collections.abc import Callable
from typing import TypeVar

from accounts.models import User
from marketplace.core import logs
from marketplace.core.links import absolute
from privacy.vault import reveals
from privacy.vault.models import Reveal

from .emails import Concern, tell_owners

log = logs.get("leadfair.staff")
Details = TypeVar("Details")


def reveal(staff: User, about: Reveal.About, subject_id: str, *, reason: str, read: Callable[[], Details]) -> Details:
    """What ``read`` answers, once it is written down who looks at whom and why. Whoever tries to look at more people
    than one may alone is refused, and the owners are told: that is how a list of people would be carried off.

    Raises:
        TooManyReveals: nothing is read.
    """
    try:
        return reveals.reveal(staff, about, subject_id, reason=reason, read=read)
    except reveals.TooManyReveals as refusal:
        log.error("looks used up", staff=staff.public_id)
        tell_owners(_looks_used_up(staff, refusal.looked_at))
        raise


def _looks_used_up(staff: User, looked_at: int) -> Concern:
    return Concern(
        f"looks:{staff.public_id}",
        "somebody looks at many people",
        f"{staff.handle} has looked at the details of {looked_at} people within an hour, and wanted to see more.",
        "Ask them why. In the admin, Reveals lists whom they looked at and for what reason; a request for more waits "
        "for a second person.",
        where=absolute("admin:vault_reveal_changelist"),
        lasts=False,
    )
