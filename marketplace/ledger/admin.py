from django.contrib import admin

from marketplace.core.admin import ReadOnlyAdmin
from marketplace.core.money import dollars

from .models import Account, Transfer


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "owned_by", "balance"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["owner__handle"]
    fields = ["kind", "owned_by", "balance"]
    readonly_fields = ["owned_by", "balance"]

    @admin.display(description="Owner")
    def owned_by(self, account: Account) -> str:
        return account.owner.handle if account.owner else "Leadfair"

    @admin.display(description="Balance")
    def balance(self, account: Account) -> str:
        return dollars(account.credits - account.debits) if account.owner_id else "sum of its transfers"


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "kind", "dollars", "debit", "credit", "reference", "line"]
    list_filter = ["kind"]
    list_select_related = ["debit", "credit"]
    search_fields = ["reference"]

    @admin.display(description="Amount")
    def dollars(self, transfer: Transfer) -> str:
        return dollars(transfer.amount)
