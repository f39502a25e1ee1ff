"""`/accounts/code/`: the code that support sent proves an email in any browser."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts import codes, services
from accounts.models import SupportCode, User
from marketplace.core import clock
from marketplace.core.refusals import TooMany
from marketplace.mail.models import OutgoingEmail
from privacy.vault.fields import unseal_from
from tests.people import make_member

pytestmark = pytest.mark.django_db
URL = "/accounts/code/"


@pytest.fixture
def nora():
    """Somebody who never proved their email."""
    member = make_member("Nora")
    member.email_verified_at = None
    member.save()
    member.emailaddress_set.update(verified=False)
    return member


def sent_code() -> str:
    return unseal_from(OutgoingEmail.objects.filter(key__startswith="support-code:").latest("id"), "context")["code"]


def post(client, email, code):
    return client.post(URL, {"email": email, "code": code})


def test_it_works(client, nora):
    assert "Confirm your email" in client.get(URL).text
    codes.send_by_support(nora)
    code = sent_code()
    response = post(client, "Nora@Example.com", f"{code[:4]} {code[4:]}")
    assert response["Location"] == reverse("account_login")
    nora.refresh_from_db()
    assert nora.is_verified
    assert nora.emailaddress_set.get().verified
    response = client.post(reverse("account_login"), {"login": nora.email, "password": "correct horse battery"})
    assert response.status_code == 302
    assert client.get("/account/").status_code == 200


def test_a_browser_that_waits_for_another_code_is_let_go(client, nora):
    typed = {"login": nora.email, "password": "correct horse battery"}
    assert client.post(reverse("account_login"), typed)["Location"] == reverse("account_email_verification_sent")
    codes.send_by_support(nora)
    page = post(client, nora.email, sent_code())
    assert page["Location"] == reverse("account_login")
    page = client.get(page["Location"])
    assert page.status_code == 200
    assert "Your email is confirmed" in page.text


def test_who_is_signed_in_stays_so(as_alice, nora):
    codes.send_by_support(nora)
    post(as_alice, nora.email, sent_code())
    assert as_alice.get("/account/").status_code == 200


def test_the_code_itself_is_not_kept(nora):
    codes.send_by_support(nora)
    assert sent_code() not in str(SupportCode.objects.values())


def test_it_works_once(client, nora):
    codes.send_by_support(nora)
    code = sent_code()
    assert post(client, nora.email, code).status_code == 302
    User.objects.update(email_verified_at=None)
    assert post(client, nora.email, code).status_code == 422


def test_a_new_code_ends_the_earlier_one(client, nora):
    codes.send_by_support(nora)
    first = sent_code()
    codes.send_by_support(nora)
    assert post(client, nora.email, first).status_code == 422
    assert post(client, nora.email, sent_code()).status_code == 302


def test_an_old_one_does_not_work(client, nora, monkeypatch):
    codes.send_by_support(nora)
    later = clock.now() + timedelta(minutes=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert post(client, nora.email, sent_code()).status_code == 422


def test_three_wrong_ones_use_it_up(client, nora):
    codes.send_by_support(nora)
    for _ in range(3):
        response = post(client, nora.email, "00000000")
        assert response.status_code == 422
        assert nora.email in response.text, "what was typed is kept"
    assert post(client, nora.email, sent_code()).status_code == 422
    nora.refresh_from_db()
    assert not nora.is_verified


def test_what_is_no_code_uses_up_nothing(client, nora):
    codes.send_by_support(nora)
    for wrong in ("", "1234", "abcdefgh", "123456789"):
        assert post(client, nora.email, wrong).status_code == 422
    assert SupportCode.objects.get().tries_left == 3


def test_guessing_is_limited(client, nora):
    for _ in range(5):
        assert post(client, nora.email, "00000000").status_code == 422
    response = post(client, nora.email, "00000000")
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "Confirm your email" in response.text


def test_nothing_tells_whether_an_address_is_known(client, nora, alice):
    codes.send_by_support(nora)
    emails = (nora.email, alice.email, "nobody@example.org")
    pages = [post(client, email, "00000000").text.replace(email, "") for email in emails]
    assert len({page.split("csrfmiddlewaretoken")[0] for page in pages}) == 1
    assert [page.count("do not match") for page in pages] == [2, 2, 2]


def test_who_proved_it_gets_no_code(alice):
    with pytest.raises(codes.AlreadyVerified):
        codes.send_by_support(alice)
    assert not OutgoingEmail.objects.filter(key__startswith="support-code:").exists()


def test_five_an_hour(nora):
    for _ in range(5):
        codes.count_by_support(nora)
    with pytest.raises(TooMany):
        codes.count_by_support(nora)


# --- a mistyped address -----------------------------------------------------------------------------------------------


def test_a_mistyped_address_is_corrected(client, nora):
    codes.send_by_support(nora)
    old, code = nora.email, sent_code()
    services.correct_email(nora, "Nora.Right@Example.com")
    nora.refresh_from_db()
    assert nora.email == "nora.right@example.com"
    assert [row.email for row in nora.emailaddress_set.all()] == [nora.email]
    assert post(client, old, code).status_code == 422
    assert post(client, nora.email, code).status_code == 422, "a code to the wrong address proves nothing"
    codes.send_by_support(nora)
    assert post(client, nora.email, sent_code()).status_code == 302


def test_the_code_of_the_sign_up_page_ends_with_the_wrong_address(client, nora):
    client.post(reverse("account_login"), {"login": nora.email, "password": "correct horse battery"})
    code = unseal_from(OutgoingEmail.objects.latest("id"), "context")["code"]
    services.correct_email(nora, "nora.right@example.com")
    client.post(reverse("account_email_verification_sent"), {"code": code})
    nora.refresh_from_db()
    assert not nora.is_verified
    assert nora.email == "nora.right@example.com"


@pytest.mark.parametrize("proved", [False, True])
def test_nothing_is_mailed_to_the_wrong_address_from_a_browser_that_still_waits(client, nora, proved):
    client.post(reverse("account_login"), {"login": nora.email, "password": "correct horse battery"})
    wrong, page = nora.email, reverse("account_email_verification_sent")
    assert wrong in client.get(page).text, "the control: the page names the address it waits for"
    services.correct_email(nora, "nora.right@example.com")
    codes.send_by_support(nora)
    if proved:
        codes.confirm("nora.right@example.com", sent_code())
    before = OutgoingEmail.objects.count()
    response = client.post(page, {"action": "resend"}, follow=True)
    assert response.redirect_chain == [(reverse("accounts:confirm_by_code"), 302)]
    assert "support corrected your address" in response.text
    assert wrong not in response.text
    assert OutgoingEmail.objects.count() == before
    assert wrong not in client.get(page, follow=True).text
    nora.refresh_from_db()
    assert (nora.email, nora.is_verified) == ("nora.right@example.com", proved)


def test_a_right_address_is_not_corrected(nora):
    with pytest.raises(services.SameEmail):
        services.correct_email(nora, nora.email.upper())


def test_only_one_that_was_never_proved(alice):
    with pytest.raises(services.EmailProved):
        services.correct_email(alice, "alice.new@example.com")
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_not_to_somebody_elses(nora, alice):
    with pytest.raises(services.EmailTaken):
        services.correct_email(nora, "ALICE@example.com")
    nora.refresh_from_db()
    assert nora.email == "nora@example.com"
    assert nora.emailaddress_set.count() == 1
