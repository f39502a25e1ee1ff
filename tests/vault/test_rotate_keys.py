"""``manage.py rotate_keys``: afterwards nothing needs the old keys, and what could be found is still found."""

import base64
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import factors
from marketplace.leads.models import LeadContact
from marketplace.leads.services import contact_of, same_person
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import render, send
from marketplace.purchases.services import AlreadyBought, buy_lead
from privacy.vault.files import SealedFile
from tests.factors import code, give_app, recovery_codes_of
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
PHONE, EMAIL = "+16145550123", "ana.lopez@example.org"
AGAIN = {"phone": "+16145550124", "email": "other@example.org"}


@pytest.fixture(autouse=True)
def _old_keys(settings):
    settings.SEALING_KEYS = settings.DIGEST_KEYS = f"old:{OLD}"


@pytest.fixture
def lead():
    return make_lead(phone=PHONE, email=EMAIL, first_name="Ana", last_name="López")


def put_in_front(settings, *names: str) -> None:
    for name in names:
        setattr(settings, name, f"new:{NEW},old:{OLD}")


def take_out(settings, *names: str) -> None:
    for name in names:
        setattr(settings, name, f"new:{NEW}")


def rotate() -> list[str]:
    """What the command says about the tables that hold something."""
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return [line for line in out.getvalue().splitlines() if ": 0 resealed, 0 with" not in line]


def queue(member, key="k") -> OutgoingEmail:
    context = {"code": "QQQ", "minutes": 1}
    send(member, category=Category.RECEIPT, template="accounts/email/verification", context=context, key=key)
    return OutgoingEmail.objects.get(key=key)


def test_it_works(settings, alice, lead):
    queue(alice)
    put_in_front(settings, "SEALING_KEYS", "DIGEST_KEYS")
    assert rotate() == [
        "mail.OutgoingEmail.context: 1 resealed, 0 with new digests",
        "leads.LeadContact.sealed: 1 resealed, 1 with new digests",
    ]
    take_out(settings, "SEALING_KEYS", "DIGEST_KEYS")
    lead.refresh_from_db()
    assert contact_of(lead).phone == PHONE
    assert "QQQ" in render(OutgoingEmail.objects.get(key="k")).body
    assert same_person(phone=PHONE).get() == same_person(email=EMAIL).get() == lead.contact
    assert rotate() == [], "a second time changes nothing"


def test_only_what_changed_is_written(settings, lead):
    before = LeadContact.objects.values().get()
    put_in_front(settings, "DIGEST_KEYS")
    assert rotate() == ["leads.LeadContact.sealed: 0 resealed, 1 with new digests"]
    after = LeadContact.objects.values().get()
    assert after["sealed"] == before["sealed"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"phone_digest", "email_digest", "first_name_digest", "last_name_digest"}


def test_what_is_not_known_has_no_digest(settings, lead):
    """Two people without a name are not the same."""
    contact = make_lead(first_name="", last_name="").contact
    put_in_front(settings, "DIGEST_KEYS")
    rotate()
    contact.refresh_from_db()
    assert (contact.first_name_digest, contact.last_name_digest) == ("", "")
    assert contact.phone_digest


@pytest.mark.parametrize(
    "known", [{"phone": PHONE, "email": "x@example.org"}, {"phone": "+16145550177", "email": EMAIL}]
)
def test_nobody_is_sold_the_same_person_after_the_digest_key_changed(settings, alice, lead, known):
    """The same phone or email comes in under the new key, in another vertical."""
    bought = buy_lead(alice, lead, price_seen=lead.price_cents, key="first")
    put_in_front(settings, "DIGEST_KEYS")
    rotate()
    take_out(settings, "DIGEST_KEYS")
    again = make_lead(vertical="solar", **known)
    with pytest.raises(AlreadyBought) as refused:
        buy_lead(alice, again, price_seen=again.price_cents, key="second")
    assert refused.value.purchase_id == bought.public_id


def test_control_without_new_digests_the_same_person_is_sold_again(settings, alice, lead, monkeypatch):
    buy_lead(alice, lead, price_seen=lead.price_cents, key="first")
    put_in_front(settings, "DIGEST_KEYS")
    again = make_lead(vertical="solar", phone=PHONE)
    assert buy_lead(alice, again, price_seen=again.price_cents, key="second")


def test_a_row_that_does_not_open_is_named_and_stops_no_other(settings, alice, lead):
    other, spoilt = make_lead(), queue(alice)
    queue(alice, "after")
    LeadContact.objects.filter(lead=lead).update(sealed="gone.AAAA")
    OutgoingEmail.objects.filter(pk=spoilt.pk).update(context="old.AAAA")
    put_in_front(settings, "SEALING_KEYS")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="2 do not open"):
        call_command("rotate_keys", stdout=out, stderr=err)
    assert err.getvalue().splitlines() == [
        f"mail.OutgoingEmail.context: {spoilt.public_id} does not open",
        f"leads.LeadContact.sealed: {lead.public_id} does not open",
    ]
    assert "mail.OutgoingEmail.context: 1 resealed" in out.getvalue()
    take_out(settings, "SEALING_KEYS")
    other.refresh_from_db()
    assert contact_of(other).name == "Quentin Testlead"
    assert "QQQ" in render(OutgoingEmail.objects.get(key="after")).body


def test_what_an_id_of_another_case_sealed_is_not_taken_for_ours(settings, lead):
    settings.SEALING_KEYS = f"OLD:{NEW}"
    with pytest.raises(CommandError, match="1 do not open"):
        rotate()


def test_a_batch_is_read_at_once_and_locks_no_more_than_it_must(settings, django_assert_num_queries):
    def reads() -> list[str]:
        settings.SEALING_KEYS = f"new{LeadContact.objects.count()}:{NEW},{settings.SEALING_KEYS}"
        with CaptureQueriesContext(connection) as queries:
            rotate()
        return [query["sql"] for query in queries if "leads_lead" in query["sql"] and query["sql"].startswith("SELECT")]

    make_lead()
    few = reads()
    for _ in range(5):
        make_lead()
    many = reads()
    assert len(many) == len(few) == 2, "the batch, and that there is no more"
    if connection.vendor == "postgresql":
        assert all(sql.endswith('FOR NO KEY UPDATE OF "leads_leadcontact"') for sql in many)


def test_second_factors_are_resealed(settings, alice, bob):
    """Rows of another package, whose secrets stand within a JSON column."""
    secret, codes = give_app(alice), recovery_codes_of(alice)
    put_in_front(settings, "SEALING_KEYS")
    assert "mfa.Authenticator.data.sealed: 2 resealed, 0 with new digests" in rotate()
    assert not any(line.startswith("mfa.") for line in rotate()), "a second time changes nothing"
    give_app(bob)
    take_out(settings, "SEALING_KEYS")
    assert recovery_codes_of(alice) == codes
    used = factors.use_code(alice, code(secret))
    assert used is not None
    assert used.type == "totp"
    assert factors.of(alice).app.data["last_step"] > 0, "what stands beside the secret stays"


def test_a_second_factor_that_does_not_open_is_named(settings, alice, bob):
    give_app(alice)
    give_app(bob)
    row = factors.of(alice).codes
    row.data["sealed"] = "gone.AAAA"
    row.save()
    put_in_front(settings, "SEALING_KEYS")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 do not open"):
        call_command("rotate_keys", stdout=out, stderr=err)
    assert err.getvalue() == f"mfa.Authenticator.data.sealed: {alice.public_id} does not open\n"
    assert "mfa.Authenticator.data.sealed: 3 resealed" in out.getvalue()


def test_files_that_need_the_old_key_are_counted(settings, tmp_path):
    settings.UPLOADS, settings.EXPORT_FILES = tmp_path / "uploads", tmp_path / "exports"
    for name in ("uploads/one", "exports/other"):
        with SealedFile(tmp_path / name, name).create() as file:
            file.finish()
    put_in_front(settings, "SEALING_KEYS")
    err = StringIO()
    call_command("rotate_keys", stdout=StringIO(), stderr=err)
    assert err.getvalue() == "2 files need an older key until they are deleted, at the latest in 7 days\n"
