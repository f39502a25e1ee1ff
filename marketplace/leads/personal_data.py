from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Recipient, Source, Subject
from privacy.vault.models import Reveal

from .models import Consent, Lead, LeadContact, SavedSearch, Suppression


@personal_data(
    key="leads.contact",
    title="Contact of a person who asked for a quote",
    about=Subject.LEAD,
    categories=(Category.LEAD_CONTACT,),
    purposes=(Purpose.LEAD_SALE,),
    source=Source.TOLD,
    recipients=(Recipient.BUYER,),
    kept="a year on sale at most, then as long as a buyer's purchase refers to it",
    fields={
        "leads.LeadContact": (
            "lead",
            "sealed",
            "phone_digest",
            "email_digest",
            "first_name_digest",
            "last_name_digest",
        )
    },
)
class Contacts:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return LeadContact.objects.filter(lead_id=subject).values()

    @staticmethod
    def people() -> Iterable[int]:
        return LeadContact.objects.values_list("lead_id", flat=True)


@personal_data(
    key="leads.request",
    title="What a person asked for, and their consent",
    about=Subject.LEAD,
    categories=(Category.LEAD_REQUEST, Category.LEAD_CONSENT),
    purposes=(Purpose.LEAD_SALE, Purpose.LEGAL_DUTY),
    source=Source.TOLD,
    recipients=(Recipient.BUYER,),
    kept="a year on sale at most, then as long as a buyer's purchase refers to it",
    fields={
        "leads.Lead": (
            "public_id",
            "supplier_reference",
            "city",
            "state",
            "postal_code",
            "latitude",
            "longitude",
            "time_zone",
            "attributes",
            "asked_at",
            "landing_page",
            "original_source",
            "consent",
        ),
        "leads.Consent": (
            "wording",
            "given_at",
            "page",
            "named_sellers",
            "provider",
            "certificate_url",
            "expires_at",
            "dnc_checked_on",
            "revoked_at",
            "buyers_told_at",
        ),
    },
)
class Requests:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield from Lead.objects.filter(pk=subject).values()
        yield from Consent.objects.filter(lead=subject).values()

    @staticmethod
    def people() -> Iterable[int]:
        return Lead.objects.values_list("pk", flat=True)


@personal_data(
    key="leads.looks",
    title="Who of our staff looked at the contact of a person who asked, and why",
    about=Subject.LEAD,
    categories=(Category.ACTIVITY,),
    purposes=(Purpose.LEGAL_DUTY,),
    source=Source.RECORDED,
    kept="as long as the request, to know who looked at what",
    fields={"vault.Reveal": ("about", "subject_id", "reason", "revealed_at")},
)
class Looks:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        lead = Lead.objects.filter(pk=subject).values("public_id")
        looks = Reveal.objects.filter(about=Reveal.About.LEAD, subject_id__in=lead)
        return looks.values("staff__handle", "reason", "revealed_at")

    @staticmethod
    def people() -> Iterable[int]:
        looked_at = Reveal.objects.filter(about=Reveal.About.LEAD).values("subject_id")
        return Lead.objects.filter(public_id__in=looked_at).values_list("pk", flat=True)


@personal_data(
    key="leads.searches",
    title="Searches you saved",
    about=Subject.MEMBER,
    categories=(Category.PROFILE,),
    purposes=(Purpose.ACCOUNT_SERVICE,),
    source=Source.TOLD,
    kept="until you remove them, and an hour more to bring them back",
    fields={
        "leads.SavedSearch": ("public_id", "member", "name", "query", "created_at", "seen_at", "removed_at"),
    },
)
class Searches:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return SavedSearch.objects.filter(member=subject).values()

    @staticmethod
    def people() -> Iterable[int]:
        return SavedSearch.objects.values_list("member_id", flat=True).distinct()


@personal_data(
    key="leads.suppression",
    title="Who took their consent back",
    about=Subject.LEAD,
    categories=(Category.LEAD_CONTACT, Category.LEAD_CONSENT),
    purposes=(Purpose.LEGAL_DUTY,),
    source=Source.TOLD,
    kept="as long as leads are sold, so that the person is not sold on a consent of before",
    fields={"leads.Suppression": ("public_id", "sealed", "phone_digest", "email_digest", "revoked_at")},
)
class Suppressions:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        for phone, email in LeadContact.objects.filter(lead_id=subject).values_list("phone_digest", "email_digest"):
            same = Q(phone_digest=phone) | Q(email_digest=email) & ~Q(email_digest="")
            yield from Suppression.objects.filter(same).values("public_id", "revoked_at")

    @staticmethod
    def people() -> Iterable[int]:
        phones = Suppression.objects.values("phone_digest")
        emails = Suppression.objects.exclude(email_digest="").values("email_digest")
        same = Q(phone_digest__in=phones) | Q(email_digest__in=emails)
        return LeadContact.objects.filter(same).values_list("lead_id", flat=True)
