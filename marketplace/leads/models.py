"""What is for sale.

Invariants, each kept by the database:

* at most ``slots_total`` (1 to 3) buyers, fixed for ever (check constraints, trigger); 1 means exclusive;
* nothing is on sale without an origin and a consent record (check constraint, DX-16), nor when it is sold out; sold
  means that no slot is left (check constraints);
* the stored price is the price charged, at least one dollar (check constraint). A job changes it with age, no till;
* the contact stands apart and sealed; what is readable here would not single a person out.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Subquery
from django.db.models.functions import Abs, Upper

from marketplace.core import clock
from marketplace.core.ids import new_id
from privacy.vault.digests import digest
from privacy.vault.fields import SealedField

from .pricing import AGE_BANDS, MINIMUM_CENTS
from .verticals import label_of

MAX_BUYERS = 3
SIMILAR_NEWEST = 100


class ZipCode(models.Model):
    """A US ZIP code with its place (GeoNames, CC BY 4.0)."""

    code = models.CharField(max_length=5, primary_key=True)
    city = models.CharField(max_length=60)
    state = models.CharField(max_length=2)
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    time_zone = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [models.Index(Upper("city"), name="leads_zip_city")]  # as iexact asks

    def __str__(self) -> str:
        return self.code


class Vertical(models.Model):
    """A kind of business leads are for, with its range of fresh shared prices."""

    slug = models.SlugField(max_length=30, unique=True)
    name = models.CharField(max_length=40)
    icon = models.CharField(max_length=20)
    low_cents = models.PositiveIntegerField(help_text="fresh shared price of the plainest lead, cents")
    high_cents = models.PositiveIntegerField(help_text="fresh shared price of the best lead, cents")
    exclusive_percent = models.PositiveSmallIntegerField(
        help_text="price of an exclusive lead, percent of a shared one"
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "line of business"
        verbose_name_plural = "lines of business"
        ordering = ["position", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(low_cents__gte=MINIMUM_CENTS, high_cents__gte=F("low_cents")), name="leads_vertical_range"
            ),
            models.CheckConstraint(
                condition=Q(exclusive_percent__gte=200, exclusive_percent__lte=400), name="leads_exclusive_factor"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Supplier(models.Model):
    """Who delivers leads. The grade is what our own staff think of their quality."""

    class Grade(models.TextChoices):
        A = "A", "A: verified by us, few complaints"
        B = "B", "B: reliable"
        C = "C", "C: new or mixed"

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    grade = models.CharField(max_length=1, choices=Grade, default=Grade.C)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(grade__in=["A", "B", "C"]), name="leads_grade_known")]

    def __str__(self) -> str:
        return self.name


class ConsentWording(models.Model):
    """The exact words a person agreed to; the same words are kept once."""

    sha256 = models.CharField(max_length=64, unique=True)
    text = models.TextField()

    def __str__(self) -> str:
        return self.sha256[:12]


class ConsentQuerySet(models.QuerySet["Consent"]):
    def revocations_to_tell(self) -> Self:
        """Those taken back of which the buyers were not told yet."""
        return self.filter(revoked_at__isnull=False, buyers_told_at=None)


class Consent(models.Model):
    """The proof that a person agreed to be contacted: words, moment, page and who was named."""

    wording = models.ForeignKey(ConsentWording, models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    page = models.URLField(max_length=500, help_text="where it was given")
    named_sellers = models.TextField(blank=True)
    provider = models.CharField(max_length=40, blank=True, help_text="who certified it independently")
    certificate_url = models.URLField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True)
    dnc_checked_on = models.DateField(null=True)
    revoked_at = models.DateTimeField(null=True)
    buyers_told_at = models.DateTimeField(null=True, help_text="every buyer knows that it was taken back")

    objects = ConsentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(buyers_told_at=None) | Q(revoked_at__isnull=False), name="leads_told_of_what_was_revoked"
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(revoked_at__isnull=False, buyers_told_at=None),
                name="leads_revocations_to_tell",
            )
        ]

    def __str__(self) -> str:
        return f"Consent {self.pk}"

    @property
    def has_ended(self) -> bool:
        """It ran out or was taken back."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= clock.now())


ANY = -1  # in a tally: whatever that property


class Tally(models.Model):
    """How many leads of one sort were on sale at the last count, so that a page need not count them itself.

    There is a row for each sort that occurs, and rows for whole groups: any line of business, any state; and of age,
    price, number of buyers and certificate any of all four, or of all but one.
    """

    age = models.SmallIntegerField(help_text="index into pricing.AGE_BANDS, or ANY")
    price = models.SmallIntegerField(help_text="index into pricing.PRICE_BANDS, or ANY")
    exclusive = models.SmallIntegerField(help_text="1 or 0, or ANY")
    certified = models.SmallIntegerField(help_text="1 or 0, or ANY")
    vertical = models.CharField(max_length=30, blank=True, help_text='slug, or "" for any')
    state = models.CharField(max_length=2, blank=True, help_text='or "" for any')
    count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            # In this order a page finds what it needs side by side: it names all of the first ones.
            models.UniqueConstraint(
                fields=["age", "price", "exclusive", "certified", "vertical", "state"], name="leads_tally_once"
            )
        ]

    def __str__(self) -> str:
        return f"Tally {self.pk}"


class Market(models.Model):
    """What a line of business looked like when it was last looked at, for the plots. Amounts in cents, days in UTC."""

    vertical = models.OneToOneField(Vertical, models.CASCADE, related_name="market")
    seen_at = models.DateTimeField(help_text="a full hour")
    prices = models.JSONField(help_text="lowest, quarter, median, three quarters and highest price on sale; or empty")
    hours = models.JSONField(help_text="leads listed in each of the 24 hours before, oldest first")
    weeks = models.JSONField(help_text="fresh prices by week, oldest first: exclusive, day, leads, median")

    def __str__(self) -> str:
        return f"Market {self.pk}"


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def for_user(self, user: object) -> Self:
        """The searches of this member only."""
        return self.filter(member=user)

    def kept(self) -> Self:
        """Searches that were not removed."""
        return self.filter(removed_at=None)


class SavedSearch(models.Model):
    """A list of leads that a member comes back to. One that was removed can be brought back for a while."""

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="searches")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, help_text="of the catalogue's address, as it stands there")
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="when the member looked last; what was listed since is new")
    removed_at = models.DateTimeField(null=True)

    objects = SavedSearchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "saved searches"
        constraints = [
            models.UniqueConstraint(
                fields=["member", "query"], condition=Q(removed_at=None), name="leads_search_saved_once"
            )
        ]

    def __str__(self) -> str:
        return f"Search {self.public_id}"


class LeadQuerySet(models.QuerySet["Lead"]):
    def shown(self) -> Self:
        """Leads with a public page: on sale now, or gone. Those that never were on sale do not exist."""
        return self.exclude(status=Lead.Status.HELD).filter(listed_at__isnull=False)

    def on_sale(self) -> Self:
        """Leads that can be bought now."""
        return self.filter(status=Lead.Status.OPEN)

    def consent_ended(self, now: datetime) -> Self:
        """Those whose consent has run out by ``now`` or was taken back."""
        return self.filter(consent__in=Consent.objects.filter(Q(expires_at__lte=now) | Q(revoked_at__isnull=False)))

    def of_vertical(self, *slugs: str) -> Self:
        # By a subquery, not a join: the indexes that start with the vertical then give the order too.
        ids = Vertical.objects.filter(slug__in=slugs).values("pk")
        return self.filter(vertical_id=Subquery(ids)) if len(slugs) == 1 else self.filter(vertical_id__in=ids)

    def in_state(self, *states: str) -> Self:
        return self.filter(state__in=states)

    def no_older_than(self, age: timedelta) -> Self:
        """Asked for within ``age``."""
        return self.filter(asked_at__gte=clock.now() - age)

    def priced(self, low: int | None = None, high: int | None = None) -> Self:
        """Price between ``low`` and ``high`` cents, both included; None leaves that side open."""
        found = self
        if low is not None:
            found = found.filter(price_cents__gte=low)
        if high is not None:
            found = found.filter(price_cents__lte=high)
        return found

    def near(self, latitude: float, longitude: float, height: float, width: float) -> Self:
        """Within the ellipse of this half height and half width, in degrees, which is a circle on the ground."""
        north, east = (F("latitude") - latitude) / height, (F("longitude") - longitude) / width
        boxed = self.filter(
            latitude__range=(latitude - height, latitude + height),
            longitude__range=(longitude - width, longitude + width),
        )
        return boxed.alias(distance=north * north + east * east).filter(distance__lte=1.0)

    def certified(self) -> Self:
        """Those with an independent certificate of the consent."""
        return self.filter(is_certified=True)

    def exclusive(self) -> Self:
        return self.filter(slots_total=1)

    def shared(self) -> Self:
        return self.filter(slots_total__gt=1)

    def similar_to(self, vertical: Any, state: Any) -> Self:
        """On sale, of this vertical (its key) and state, newest first; each may be a subquery."""
        return self.on_sale().filter(vertical_id=vertical, state=state).order_by("-listed_at", "-id")

    def nearest_in_price(self, cents: Any) -> "LeadQuerySet":
        """The first ``SIMILAR_NEWEST`` of these, nearest in price to ``cents`` (or a subquery) first, newer ones before
        older if two are as near. Only so many are compared: a page must not sort all that is on sale in a large state.
        """
        first = Lead.objects.filter(pk__in=self.values("pk")[:SIMILAR_NEWEST])
        return first.order_by(Abs(F("price_cents") - cents), "-listed_at", "-id")

    def similar_to_each(self, leads: Iterable["Lead"], size: int) -> Self:
        """Up to ``size`` of these for each line of business and state among ``leads``, in no order. One query."""
        kinds = sorted({(lead.vertical_id, lead.state) for lead in leads})
        each = [self.filter(pk__in=self.similar_to(*kind).values("pk")[:size]) for kind in kinds]
        return each[0].union(*each[1:], all=True) if each else self.none()

    def with_similar(self, public_id: str, size: int) -> Self:
        """The one of these that has the id ``public_id``, and if it is gone up to ``size`` similar ones, in no order.
        One query, so that the page of a lead that is gone keeps to its budget."""
        wanted = self.filter(public_id=public_id)
        gone = wanted.select_related(None).exclude(status=Lead.Status.OPEN)
        similar = Lead.objects.similar_to(Subquery(gone.values("vertical_id")), Subquery(gone.values("state")))
        nearest = similar.nearest_in_price(Subquery(gone.values("price_cents"))).values("pk")[:size]
        return wanted.union(self.filter(pk__in=nearest), all=True)


class Lead(models.Model):
    """A request for a quote, as a buyer may see it before buying."""

    class Status(models.TextChoices):
        HELD = "held", "Not on sale yet"
        OPEN = "open", "On sale"
        SOLD = "sold", "Sold out"
        WITHDRAWN = "withdrawn", "Withdrawn"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    vertical = models.ForeignKey(Vertical, models.PROTECT, verbose_name="line of business", related_name="leads")
    supplier = models.ForeignKey(Supplier, models.PROTECT, related_name="leads")
    supplier_reference = models.CharField(max_length=80, blank=True)
    city = models.CharField(max_length=60)
    state = models.CharField(max_length=2)
    postal_code = models.CharField(max_length=5)
    latitude = models.FloatField(null=True, help_text="of the middle of the city")
    longitude = models.FloatField(null=True)
    time_zone = models.CharField(max_length=40, blank=True, help_text="of the ZIP code")
    attributes = models.JSONField(default=dict, blank=True)
    asked_at = models.DateTimeField("asked", help_text="when the person asked; age counts from here")
    listed_at = models.DateTimeField("listed", null=True, help_text="when it went on sale")
    status = models.CharField(max_length=9, choices=Status, default=Status.HELD)
    slots_total = models.PositiveSmallIntegerField(help_text="buyers at most; 1 is exclusive")
    slots_sold = models.PositiveSmallIntegerField(default=0)
    base_cents = models.PositiveIntegerField(help_text="fresh shared price, cents")
    price_cents = models.PositiveIntegerField(help_text="the price charged, cents")
    age_band = models.PositiveSmallIntegerField(default=0, help_text="index into pricing.AGE_BANDS of the price")

    origin_site = models.CharField(max_length=120, blank=True, help_text="host of the site that collected it")
    origin_policy_url = models.URLField(max_length=500, blank=True, help_text="that site's privacy policy")
    landing_page = models.URLField(max_length=500, blank=True)
    original_source = models.CharField(max_length=120, blank=True)
    consent = models.OneToOneField(Consent, models.PROTECT, null=True, related_name="lead")
    is_certified = models.BooleanField(default=False, help_text="an independent certificate of consent is on file")

    objects = LeadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(slots_total__gte=1, slots_total__lte=MAX_BUYERS), name="leads_one_to_three_buyers"
            ),
            models.CheckConstraint(
                condition=Q(slots_sold__gte=0, slots_sold__lte=F("slots_total")), name="leads_never_oversold"
            ),
            models.CheckConstraint(condition=Q(price_cents__gte=MINIMUM_CENTS), name="leads_price_floor"),
            models.CheckConstraint(condition=Q(base_cents__gte=MINIMUM_CENTS), name="leads_base_floor"),
            models.CheckConstraint(
                condition=~Q(status="open")
                | (Q(consent__isnull=False, listed_at__isnull=False) & ~Q(origin_site="") & ~Q(origin_policy_url="")),
                name="leads_sale_needs_origin_and_consent",
            ),
            models.CheckConstraint(
                condition=~Q(status="open") | Q(slots_sold__lt=F("slots_total")), name="leads_open_has_a_slot"
            ),
            models.CheckConstraint(
                condition=~Q(status="sold") | Q(slots_sold=F("slots_total")), name="leads_sold_means_no_slot_left"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["held", "open", "sold", "withdrawn"]), name="leads_status_known"
            ),
            models.CheckConstraint(condition=Q(age_band__lt=len(AGE_BANDS)), name="leads_age_band_exists"),
        ]
        indexes = [
            models.Index(
                fields=["vertical", "state", "-listed_at", "-id"], condition=Q(status="open"), name="leads_open_newest"
            ),
            models.Index(fields=["-listed_at", "-id"], condition=Q(status="open"), name="leads_open_all_newest"),
            models.Index(fields=["state", "-listed_at", "-id"], condition=Q(status="open"), name="leads_open_state"),
            models.Index(fields=["vertical", "price_cents", "id"], condition=Q(status="open"), name="leads_open_price"),
            models.Index(fields=["price_cents", "id"], condition=Q(status="open"), name="leads_open_all_price"),
            models.Index(
                fields=["vertical", "latitude", "longitude"], condition=Q(status="open"), name="leads_open_near"
            ),
            models.Index(fields=["latitude", "longitude"], condition=Q(status="open"), name="leads_open_all_near"),
            models.Index(fields=["age_band", "asked_at"], condition=Q(status="open"), name="leads_open_age"),
        ]

    def __str__(self) -> str:
        return f"Lead {self.public_id}"

    @property
    def is_exclusive(self) -> bool:
        return self.slots_total == 1

    @property
    def slots_left(self) -> int:
        return self.slots_total - self.slots_sold

    @property
    def is_on_sale(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def zip_prefix(self) -> str:
        """The first three digits; the rest is shown after buying."""
        return self.postal_code[:3]

    def nearness(self, other: "Lead") -> tuple[int, float, int]:
        """Sorts leads on sale as ``nearest_in_price`` does, the most like this one first."""
        listed = other.listed_at.timestamp() if other.listed_at else 0
        return abs(self.price_cents - other.price_cents), -listed, -other.pk

    @property
    def answers(self) -> list[tuple[str, str]]:
        """What the person answered, as (question, answer) for people."""
        return [(label_of(key), str(answer)) for key, answer in self.attributes.items()]


def _reached_by(value: Mapping[str, str]) -> dict[str, str]:
    """The digests by which a person is found again, "" for what is not known of them."""
    phone, email = value.get("phone_1", ""), value.get("email", "")
    return {
        "phone_digest": digest("phone", phone) if phone else "",
        "email_digest": digest("email", email) if email else "",
    }


def plain_name(name: str) -> str:
    """How a name is compared: ``"Peña"`` as ``"pena"``, without case and accents."""
    parts = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in parts if not unicodedata.combining(letter)).casefold()


class LeadContact(models.Model):
    """Whom to call, sealed. The digests find the same person again without opening anything."""

    lead = models.OneToOneField(Lead, models.PROTECT, primary_key=True, related_name="contact")
    sealed = SealedField()
    phone_digest = models.CharField(max_length=64)
    email_digest = models.CharField(max_length=64, blank=True)
    first_name_digest = models.CharField(max_length=64, blank=True)
    last_name_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        # Named here, because ``db_index`` would make a second, useless one for LIKE on PostgreSQL.
        indexes = [
            models.Index(fields=["phone_digest"], name="leads_contact_phone"),
            models.Index(fields=["email_digest"], name="leads_contact_email"),
            models.Index(fields=["first_name_digest"], name="leads_contact_first_name"),
            models.Index(fields=["last_name_digest"], name="leads_contact_last_name"),
        ]

    def __str__(self) -> str:
        return f"Contact of lead {self.lead_id}"

    @property
    def public_id(self) -> str:
        """What the sealed value is bound to."""
        return self.lead.public_id

    @staticmethod
    def digests_of(value: Mapping[str, str]) -> dict[str, str]:
        """The digest columns of a contact that is to be sealed or was; phone in E.164, email in lower case."""
        first, last = value.get("first_name", ""), value.get("last_name", "")
        return _reached_by(value) | {
            "first_name_digest": digest("name", plain_name(first)) if first else "",
            "last_name_digest": digest("name", plain_name(last)) if last else "",
        }


class Suppression(models.Model):
    """Somebody took back what they had agreed to until ``revoked_at``: no lead of theirs is sold on a consent that is
    not younger (DX-16). Phone and email are sealed, so that the digests can be remade under a new key."""

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    sealed = SealedField()
    phone_digest = models.CharField(max_length=64, blank=True)
    email_digest = models.CharField(max_length=64, blank=True)
    revoked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["phone_digest", "email_digest"], name="leads_suppressed_once"),
            models.CheckConstraint(
                condition=~Q(phone_digest="") | ~Q(email_digest=""), name="leads_suppression_is_of_somebody"
            ),
        ]
        indexes = [models.Index(fields=["email_digest"], name="leads_suppressed_email")]

    def __str__(self) -> str:
        return f"Suppression {self.public_id}"

    @staticmethod
    def digests_of(value: Mapping[str, str]) -> dict[str, str]:
        """The digest columns of what is sealed; phone in E.164, email in lower case, "" where unknown."""
        return _reached_by(value)
