from typing import Any

from django.contrib import admin
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join

from marketplace.core.admin import InWords, ReadOnlyAdmin, TwoPeopleAdmin, member_page, tell_tried_again
from marketplace.core.money import dollars
from marketplace.core.templatetags.ui import in_words

from . import inbox
from .models import (
    Deposit,
    Dispute,
    Reconciliation,
    ReconciliationFinding,
    Refund,
    Resolution,
    StripeEvent,
    UnexplainedPayment,
)


@admin.register(Deposit)
class DepositAdmin(ReadOnlyAdmin):
    """Deposits by handle; the billing details of a member are not shown here."""

    list_display = ["public_id", "member", "state", "amount", "received", "paid_at", "created_at"]
    list_filter = ["state", "created_at", "paid_at"]
    list_select_related = ["buyer"]
    ordering = ["-id"]
    search_fields = ["public_id", "session_id", "intent_id", "buyer__handle", "buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a deposit, the processor's id of a payment."
    fields = [
        *("public_id", "member", "amount", "received", "state", "session_id", "intent_id"),
        *("created_at", "expires_at", "paid_at"),
    ]
    readonly_fields = ["member", "amount", "received"]

    @admin.display(description="Member", ordering="buyer__handle")
    def member(self, deposit: Deposit) -> str:
        return member_page(deposit.buyer)

    @admin.display(description="Asked for", ordering="amount_cents")
    def amount(self, deposit: Deposit) -> str:
        return dollars(deposit.amount_cents)

    @admin.display(description="Received", ordering="received_cents")
    def received(self, deposit: Deposit) -> str:
        return dollars(deposit.received_cents)


class MovementAdmin(ReadOnlyAdmin):
    """Money that went back, or may: by the processor's number and the deposit's."""

    list_select_related = ["deposit__buyer"]
    ordering = ["-id"]
    search_fields = ["processor_id", "deposit__public_id", "deposit__buyer__handle", "deposit__buyer__public_id"]
    search_help_text = "Handle or public id of a member, public id of a deposit, the processor's id."
    readonly_fields = ["number", "member", "amount", "stands"]

    @admin.display(description="Deposit")
    def number(self, row: Refund | Dispute) -> str:
        return row.deposit.public_id

    @admin.display(description="Member", ordering="deposit__buyer__handle")
    def member(self, row: Refund | Dispute) -> str:
        return member_page(row.deposit.buyer)

    @admin.display(description="State", ordering="state")
    def stands(self, row: Refund | Dispute) -> str:
        return in_words(row.state)

    @admin.display(description="Amount", ordering="amount_cents")
    def amount(self, row: Refund | Dispute) -> str:
        return dollars(row.amount_cents)


@admin.register(Refund)
class RefundAdmin(MovementAdmin):
    list_display = ["processor_id", "member", "stands", "amount", "number", "seen_at"]
    list_filter = [("state", InWords)]
    fields = ["processor_id", "member", "stands", "amount", "number", "seen_at"]


@admin.register(Dispute)
class DisputeAdmin(MovementAdmin):
    list_display = ["processor_id", "member", "stands", "is_open", "amount", "number", "seen_at"]
    list_filter = ["is_open", ("state", InWords)]
    fields = ["processor_id", "member", "stands", "is_open", "amount", "number", "seen_at"]


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox; state "Given up" needs a person, who tries it again when its cause is gone."""

    list_display = ["type", "state", "problem", "tries", "happened_at", "object_id", "event_id"]
    list_filter = ["state", "type"]
    ordering = ["-id"]
    search_fields = ["event_id", "object_id"]
    search_help_text = "The processor's id of an event or of what it is about."
    actions = ["try_again"]  # type: ignore[assignment]

    @admin.display(description="Tries", ordering="attempts")
    def tries(self, event: StripeEvent) -> int:
        return event.attempts

    @admin.action(description="Try again what was given up")
    def try_again(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        chosen = len(queryset)
        tell_tried_again(self, request, inbox.try_again(queryset), chosen)


class IsOpen(admin.SimpleListFilter):
    """What needs a person, or what is over."""

    title = "state"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Open"), ("no", "Over")]


class HasMoneyLeft(IsOpen):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_over=self.value() == "no") if self.value() else queryset


@admin.register(UnexplainedPayment)
class UnexplainedPaymentAdmin(ReadOnlyAdmin):
    """Payments of no deposit, those of which something is left first."""

    list_display = ["intent_id", "left", "received", "returned", "resolved", "arrived_at"]
    list_filter = [HasMoneyLeft]
    search_fields = ["intent_id"]
    search_help_text = "The processor's id of a payment."
    fields = ["intent_id", "left", "received", "returned", "resolved", "arrived_at", "named", "decisions"]
    readonly_fields = ["left", "received", "returned", "resolved", "named", "decisions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnexplainedPayment]:
        payments = UnexplainedPayment.objects.with_left()
        return payments.annotate(is_over=Q(left=0)).order_by("is_over", "-pk")

    @admin.display(description="Left in suspense", ordering="left")
    def left(self, payment: UnexplainedPayment) -> str:
        return dollars(payment.left_cents)

    @admin.display(description="Received", ordering="received_cents")
    def received(self, payment: UnexplainedPayment) -> str:
        return dollars(payment.received_cents)

    @admin.display(description="Gone back", ordering="returned_cents")
    def returned(self, payment: UnexplainedPayment) -> str:
        return dollars(payment.returned_cents)

    @admin.display(description="Given to members", ordering="resolved_cents")
    def resolved(self, payment: UnexplainedPayment) -> str:
        return dollars(payment.resolved_cents)

    @admin.display(description="Deposit the processor names")
    def named(self, payment: UnexplainedPayment) -> str:
        return payment.deposit.public_id if payment.deposit else "none"

    @admin.display(description="What was asked and decided")
    def decisions(self, payment: UnexplainedPayment) -> str:
        asked = payment.resolutions.select_related("member", "maker", "checker", "payment").order_by("-pk")
        lines = (
            (
                f"{one.made_at:%Y-%m-%d}",
                reverse("admin:approval", args=["resolution", one.public_id]),
                one.sentence,
                f"Asked for by {one.maker.handle}: {one.reason.rstrip('.')}.",
                f"{one.get_state_display()}{f' by {one.checker.handle}' if one.checker else ''}",
            )
            for one in asked
        )
        return format_html_join("", '{}: <a href="{}">{}</a>. {} {}.<br>', lines) or "Nothing yet."


@admin.register(Resolution)
class ResolutionAdmin(TwoPeopleAdmin):
    """What is asked for unexplained payments, what waits for a second person first."""

    sort = "resolution"
    list_display = ["public_id", "sentence", "stands", "asked_by", "made_at", "decided_by", "decided_at"]
    list_filter = ["state"]
    list_select_related = ["payment", "member", "maker", "checker"]
    ordering = [Case(When(state="asked", then=0), default=1), "-pk"]
    search_fields = ["public_id", "payment__intent_id", "member__handle", "member__public_id"]
    search_help_text = "Handle or public id of a member, the processor's id of a payment."
    fields = [
        *("public_id", "sentence", "stands", "reason", "asked_by", "made_at"),
        *("decided_by", "decided_at", "answer", "to_do", "carried_out_at", "problem"),
    ]
    readonly_fields = ["sentence", "stands", "asked_by", "decided_by", "to_do"]

    @admin.display(description="What for")
    def sentence(self, resolution: Resolution) -> str:
        return resolution.sentence

    @admin.display(description="State", ordering="state")
    def stands(self, resolution: Resolution) -> str:
        if resolution.state == Resolution.State.APPROVED and not resolution.carried_out_at:
            return "Approved, refused by the processor" if resolution.problem else "Approved, under way"
        return resolution.get_state_display()


def _cents(cents: int | None) -> str:
    return "not known yet" if cents is None else dollars(cents)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """Each comparison of the processor's balance with our books, with what it found."""

    list_display = ["started_at", "state", "difference", "found", "matched", "waiting", "ended_at"]
    list_filter = ["state"]
    ordering = ["-pk"]
    fields = [
        *("state", "problem", "started_at", "ended_at", "since", "theirs", "ours", "on_its_way", "difference"),
        *("matched", "waiting", "findings"),
    ]
    readonly_fields = ["theirs", "ours", "on_its_way", "difference", "findings"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reconciliation]:
        of_it = ReconciliationFinding.objects.filter(first_run__lte=OuterRef("pk"), last_run__gte=OuterRef("pk"))
        counted = of_it.order_by().values(all=Value(1)).annotate(n=Count("pk")).values("n")
        return super().get_queryset(request).annotate(found=Coalesce(Subquery(counted), 0))

    @admin.display(description="Balance at the processor")
    def theirs(self, run: Reconciliation) -> str:
        return _cents(run.processor_cents)

    @admin.display(description="Balance in our books")
    def ours(self, run: Reconciliation) -> str:
        return _cents(run.books_cents)

    @admin.display(description="On its way from one to the other")
    def on_its_way(self, run: Reconciliation) -> str:
        return dollars(run.waiting_cents)

    @admin.display(description="Difference", ordering="difference_cents")
    def difference(self, run: Reconciliation) -> str:
        return _cents(run.difference_cents)

    @admin.display(description="Findings")
    def found(self, run: Any) -> int:
        return run.found

    @admin.display(description="What differs")
    def findings(self, run: Reconciliation) -> str:
        if run.state != Reconciliation.State.DONE:
            return "Not known yet."
        found = ReconciliationFinding.objects.of_run(run).order_by("happened_at", "pk")
        lines = (
            (str(one), one.theirs, f" ({one.processor_id})" if one.processor_id else "", one.ours) for one in found
        )
        return format_html_join("", "{}: {} at the processor{}, {} in our books<br>", lines) or "Nothing."


class IsFound(IsOpen):
    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ReconciliationFinding]
    ) -> QuerySet[ReconciliationFinding]:
        return queryset.filter(closed_at__isnull=self.value() == "yes") if self.value() else queryset


@admin.register(ReconciliationFinding)
class ReconciliationFindingAdmin(ReadOnlyAdmin):
    """Differences between the processor and our books, open ones first."""

    list_display = ["kind", "reference", "theirs", "ours", "happened_at", "last_seen", "closed_at"]
    list_filter = [IsFound, "kind"]
    ordering = [F("closed_at").desc(nulls_first=True), "-pk"]
    search_fields = ["processor_id", "reference"]
    search_help_text = "The processor's id of a movement, a payment, a refund, a dispute or a payout."
    fields = [
        *("kind", "reference", "processor_id", "theirs", "ours", "happened_at", "first_seen", "last_seen", "closed_at"),
    ]
    readonly_fields = ["theirs", "ours"]

    @admin.display(description="At the processor")
    def theirs(self, finding: ReconciliationFinding) -> str:
        return finding.theirs

    @admin.display(description="In our books")
    def ours(self, finding: ReconciliationFinding) -> str:
        return finding.ours
