from django.contrib import admin
from django.db.models import Q, Sum

from marketplace.core.admin import ReadOnlyAdmin, TwoPeopleAdmin, member_page
from marketplace.core.money import dollars

from .models import Account, Adjustment, Transfer


def _name(account: Account) -> str:
    """``"Cash of a buyer: Alice"``, ``"Revenue"``."""
    kind = account.get_kind_display()
    return f"{kind}: {account.owner.handle}" if account.owner else kind


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ["kind", "owned_by", "balance", "id"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    ordering = ["-pk"]
    search_fields = ["owner__handle", "owner__public_id"]
    search_help_text = "Handle or public id of a member."
    fields = ["kind", "owned_by", "total"]
    readonly_fields = ["owned_by", "total"]

    @admin.display(description="Owner", ordering="owner__handle")
    def owned_by(self, account: Account) -> str:
        return member_page(account.owner) if account.owner else "Leadfair"

    @admin.display(description="Balance")
    def balance(self, account: Account) -> str:
        return dollars(account.credits - account.debits) if account.owner_id else "see its page"

    @admin.display(description="Balance, credits less debits")
    def total(self, account: Account) -> str:
        """That of a house account is counted: a total that every purchase raises would be a hot row (DESIGN, Money)."""
        if account.owner_id:
            return self.balance(account)
        moved = Transfer.objects.aggregate(
            credits=Sum("amount", filter=Q(credit=account)), debits=Sum("amount", filter=Q(debit=account))
        )
        return dollars((moved["credits"] or 0) - (moved["debits"] or 0))


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "kind", "dollars", "debit_side", "credit_side", "fact", "id"]
    list_filter = ["kind"]
    list_select_related = ["debit__owner", "credit__owner"]
    ordering = ["-pk"]
    search_fields = ["reference", "debit__owner__handle", "credit__owner__handle"]
    search_help_text = "Reference, or handle of a member."
    fields = ["created_at", "kind", "dollars", "debit_side", "credit_side", "reference", "line", "reverses"]
    readonly_fields = ["dollars", "debit_side", "credit_side"]

    @admin.display(description="Amount", ordering="amount")
    def dollars(self, transfer: Transfer) -> str:
        return dollars(transfer.amount)

    @admin.display(description="From (debit)")
    def debit_side(self, transfer: Transfer) -> str:
        return _name(transfer.debit)

    @admin.display(description="To (credit)")
    def credit_side(self, transfer: Transfer) -> str:
        return _name(transfer.credit)

    @admin.display(description="Reference", ordering="reference")
    def fact(self, transfer: Transfer) -> str:
        return f"{transfer.reference}, line {transfer.line}" if transfer.line else transfer.reference


@admin.register(Adjustment)
class AdjustmentAdmin(TwoPeopleAdmin):
    """What was asked for and decided; done on the pages of the member and of what waits."""

    sort = "adjustment"
    list_display = ["public_id", "made_at", "member", "kind", "dollars", "state", "asked_by", "decided_by"]
    list_filter = ["state", "kind"]
    list_select_related = ["owner", "maker", "checker"]
    search_fields = ["public_id", "owner__handle", "owner__public_id"]
    search_help_text = "Handle or public id of a member, public id of an adjustment."
    fields = ["public_id", "member", "kind", "dollars", "asked_by", "made_at", "reason"]
    fields += ["state", "decided_by", "decided_at", "answer", "to_do"]
    readonly_fields = ["member", "dollars", "asked_by", "decided_by", "to_do"]

    @admin.display(description="Member", ordering="owner__handle")
    def member(self, adjustment: Adjustment) -> str:
        return member_page(adjustment.owner)

    @admin.display(description="Amount", ordering="amount_cents")
    def dollars(self, adjustment: Adjustment) -> str:
        return dollars(adjustment.amount_cents)
