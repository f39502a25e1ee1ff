"""The mails about our staff themselves: roles, and large sums that two of them moved."""

from collections.abc import Sequence

from accounts.models import User
from marketplace.core.ids import new_id
from marketplace.core.links import absolute
from marketplace.core.money import dollars
from marketplace.emails import Concern, tell_owners
from marketplace.ledger.models import Adjustment
from marketplace.mail.models import Category
from marketplace.mail.services import send


def roles_changed(owner: User, member: User, roles: Sequence[str]) -> None:
    """Tell the member, and every owner: whoever may decide about money is no secret among them."""
    change = new_id()
    send(
        member,
        category=Category.SECURITY,
        template="staff/email/roles",
        context={"by": owner.handle, "roles": list(roles), "url": absolute("admin:index") if roles else ""},
        key=f"roles:{change}",
    )
    has = f"has {_listed(roles)} now" if roles else "has no role any more"
    tell_owners(
        Concern(
            f"roles:{change}",
            f"the roles of {member.handle} were changed",
            f"{owner.handle} changed the roles of {member.handle}, who {has}. Who was given a role decides nothing for "
            "a day.",
            "If you did not agree to this, take the role away today and ask why.",
            where=absolute("admin:member", member.public_id),
            lasts=False,
        )
    )


def large_adjustment(checker: User, adjustment: Adjustment) -> None:
    """Tell every owner of a large sum that two people put right."""
    tell_owners(
        Concern(
            f"adjustment:{adjustment.public_id}",
            f"{dollars(adjustment.amount_cents)} were put right by hand",
            f"{adjustment.maker.handle} asked for it and {checker.handle} approved it: “{adjustment.sentence}”.",
            "Read the reason. If it makes no sense, ask the two of them.",
            where=absolute("admin:approval", "adjustment", adjustment.public_id),
            lasts=False,
        )
    )


def _listed(roles: Sequence[str]) -> str:
    return f"the role{'s' if len(roles) > 1 else ''} {', '.join(roles)}"
