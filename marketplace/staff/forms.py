"""What staff type on the task pages. Each form names all it takes: what else arrives is ignored."""

from typing import Any

from django import forms
from django.db.models import Q

from accounts.models import User, reachable_email
from marketplace.core.forms import ReasonField, StaffTextField
from marketplace.core.ids import could_be_id, new_id
from marketplace.core.money import NotMoney, parse_dollars
from marketplace.ledger.models import Adjustment
from marketplace.purchases import crediting
from marketplace.purchases.models import Credit, Purchase

from .roles import ROLES


class DollarsField(forms.CharField):
    """An amount as people type it; cleaned to cents."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, error_messages={"required": "Enter an amount."}, **kwargs)
        self.widget.attrs["inputmode"] = "decimal"

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            cents = parse_dollars(text)
        except NotMoney as error:
            raise forms.ValidationError(str(error)) from None
        if not cents:
            raise forms.ValidationError("Enter more than nothing.")
        return cents


class KeyField(forms.CharField):
    """Made with the form, so that pressing twice asks once. A key that is none is made anew."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, initial=new_id)

    def clean(self, value: Any) -> str:
        return value if isinstance(value, str) and could_be_id(value) else new_id()


class ReasonForm(forms.Form):
    """Nothing but why."""

    reason = ReasonField()

    def __init__(self, *args: Any, member: User | None = None, **kwargs: Any) -> None:
        self.about = member
        super().__init__(*args, **kwargs)


class NoteForm(ReasonForm):
    reason = None  # type: ignore[assignment]
    text = StaffTextField(
        label="Note",
        most=1000,
        help_text="For whoever answers this member next. Word it so that the member could read it. No contact data.",
        error_messages={"required": "Write something."},
    )


class ReachableEmailField(forms.EmailField):
    default_validators = [reachable_email]


class EmailForm(ReasonForm):
    email = ReachableEmailField(
        label="The right email address",
        help_text="Spell it back to the member. A code goes to it at once.",
        error_messages={"required": "Enter the address.", "invalid": "Enter an address such as name@example.com."},
    )
    field_order = ["email", "reason"]


class RolesForm(ReasonForm):
    roles = forms.MultipleChoiceField(
        required=False,
        choices=[(name, name.capitalize()) for name in ROLES],
        widget=forms.CheckboxSelectMultiple,
        help_text="Without any, the member is not of our staff.",
    )
    field_order = ["roles", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.about is not None:
            self.initial["roles"] = list(self.about.groups.values_list("name", flat=True))


class AdjustmentForm(ReasonForm):
    kind = forms.ChoiceField(
        label="What to do",
        choices=[
            ("", "Choose"),
            (Adjustment.Kind.GOODWILL, "Grant promotional credit"),
            (Adjustment.Kind.PUT_IN, "Put money on the balance"),
            (Adjustment.Kind.TAKE_OUT, "Take money off the balance"),
            (Adjustment.Kind.WRITE_OFF, "Write off what is owed"),
        ],
        error_messages={"required": "Choose what to do."},
    )
    cents = DollarsField(label="Amount in dollars")
    reason = ReasonField(help_text="The member reads it in the mail once it is approved. No contact data.")
    key = KeyField()
    field_order = ["kind", "cents", "reason", "key"]


class CreditForm(forms.Form):
    """How much of a purchase comes back, and why."""

    problem = forms.ChoiceField(
        label="What is wrong with the lead",
        choices=[("", "Choose"), *Credit.Code.choices],
        error_messages={"required": "Choose what is wrong."},
    )
    cents = DollarsField(label="Amount in dollars")
    reason = ReasonField()
    more = forms.BooleanField(required=False, label="I know of what is listed above, and more is to be given")
    key = KeyField()

    def __init__(self, *args: Any, purchase: Purchase, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        left = crediting.left_of(purchase)
        self.initial["cents"] = f"{left // 100}.{left % 100:02d}"
        self.earlier = list(crediting.credits_of(purchase))
        if not self.earlier:
            del self.fields["more"]


class ResolutionForm(ReasonForm):
    """Whose an unexplained payment is, or that it goes back to its payer."""

    GIVE, BACK = "give", "back"

    whose = forms.ChoiceField(
        label="Whose it is",
        choices=[
            (GIVE, "A member’s: put it on their balance"),
            (BACK, "Nobody’s: send it back to the card it came from"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the two."},
    )
    member = forms.CharField(
        required=False,
        max_length=254,
        help_text="Handle, public id or whole email address, if it is a member’s.",
    )
    key = KeyField()
    field_order = ["whose", "member", "reason", "key"]

    def clean(self) -> dict[str, Any]:
        """Both answers have to agree: an empty field must not send money away."""
        data = super().clean() or self.cleaned_data
        whose, called = data.pop("whose", ""), data.get("member", "").strip()
        data["member"] = _proved_member(called) if whose == self.GIVE else None
        if whose == self.GIVE and data["member"] is None:
            unknown = "No member with a confirmed email has this handle, public id or address."
            self.add_error("member", unknown if called else "Whose is it?")
        if whose == self.BACK and called:
            self.add_error("member", "Leave this empty to send the money back, or say that it is a member’s.")
        return data


def _proved_member(called: str) -> User | None:
    found = User.objects.filter(Q(handle__iexact=called) | Q(public_id=called) | Q(email=called.lower()))
    return found.filter(email_verified_at__isnull=False).first()


class DecisionForm(forms.Form):
    """Approve or decline; who declines says why."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")])
    answer = StaffTextField(
        label="Why not",
        required=False,
        most=500,
        help_text="Only if you decline. Your colleague reads it. No contact data.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("decision") == "decline" and not data.get("answer"):
            self.add_error("answer", "Say why you decline.")
        if data.get("decision") == "approve" and data.get("answer"):  # Enter in that field presses the first button
            self.add_error("answer", "This says why not. Press Decline, or empty it and press Approve.")
        return data
