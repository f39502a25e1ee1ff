"""Who of our staff may do what. Roles are groups of Django's, made from this table after every migrate.

Nobody needs to be a superuser for daily work: the owner's role holds all that is here. Asking for money to be put right
and deciding it are two permissions; that nobody decides what they asked for themselves is held elsewhere, by the
database (``core.two_people``), so that a role may hold both.
"""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

SUPPORT, FINANCE, CONTENT, OWNER = "support", "finance", "content", "owner"

_SUPPORT = """
    accounts.view_user staff.view_act
    staff.add_note staff.resend_code staff.correct_email staff.stop_buying staff.view_as_buyer
    vault.add_reveal vault.add_morereveals
    leads.view_lead leads.view_supplier leads.view_vertical
    purchases.view_order purchases.view_purchase purchases.view_credit purchases.add_credit
    wallet.view_deposit wallet.view_refund wallet.view_dispute
    wallet.view_unexplainedpayment wallet.view_resolution wallet.add_resolution
    mail.view_outgoingemail mail.change_outgoingemail
    policy.view_acceptance policy.view_policyversion
    supply.view_importbatch supply.view_importrow supply.view_withdrawal
"""
_FINANCE = """
    accounts.view_user staff.view_act staff.add_note
    marketplace.view_checkrun marketplace.view_taskfailure
    ledger.view_account ledger.view_transfer ledger.view_adjustment ledger.add_adjustment ledger.decide_adjustment
    leads.view_lead
    purchases.view_order purchases.view_purchase purchases.view_credit purchases.add_credit purchases.decide_credit
    wallet.view_deposit wallet.view_refund wallet.view_dispute wallet.view_stripeevent wallet.change_stripeevent
    wallet.view_unexplainedpayment wallet.view_resolution wallet.add_resolution wallet.decide_resolution
    wallet.view_reconciliation wallet.view_reconciliationfinding
"""
_CONTENT = """
    leads.view_lead leads.view_supplier leads.view_vertical
    supply.view_importbatch supply.view_importrow supply.view_withdrawal
    supply.add_importbatch supply.change_importbatch
    policy.view_policyversion
"""
_OWNER = """
    staff.appoint staff.remove_factor
    vault.view_reveal vault.view_morereveals vault.decide_morereveals
"""
ROLES: dict[str, frozenset[str]] = {
    SUPPORT: frozenset(_SUPPORT.split()),
    FINANCE: frozenset(_FINANCE.split()),
    CONTENT: frozenset(_CONTENT.split()),
    OWNER: frozenset((_SUPPORT + _FINANCE + _CONTENT + _OWNER).split()),
}


@transaction.atomic
def make_roles() -> None:
    """Give each role exactly the permissions of the table, whatever was changed by hand.

    Raises:
        LookupError: the table names a permission that no model has.
    """
    wanted = frozenset[str]().union(*ROLES.values())
    known = _permissions(wanted)
    if missing := wanted - known.keys():
        raise LookupError(f"roles name permissions that do not exist: {', '.join(sorted(missing))}")
    for name, permissions in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set([known[permission] for permission in permissions])


def _permissions(names: frozenset[str]) -> dict[str, Permission]:
    either = Q(pk=None)
    for name in names:
        app, _, codename = name.partition(".")
        either |= Q(content_type__app_label=app, codename=codename)
    found = Permission.objects.filter(either).select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}": one for one in found}
