"""`POST /my-leads/<id>/calls/<call>/remove/`: take a call out of the log."""

from django.urls import reverse

from marketplace.purchases.calls import log_call
from marketplace.purchases.models import CallAttempt
from marketplace.purchases.services import new_key

from .conftest import bought


def url(purchase, call):
    return reverse("purchases:remove_call", args=[purchase.public_id, call.public_id])


def test_it_works(as_alice, purchase):
    call, other = (log_call(purchase, "no_answer", key=new_key()) for _ in range(2))
    response = as_alice.post(url(purchase, call), follow=True)
    assert "The call was taken out of the log." in response.content.decode()
    assert CallAttempt.objects.get() == other


def test_saying_it_twice_is_harmless(as_alice, purchase):
    call = log_call(purchase, "no_answer", key=new_key())
    for _ in range(2):
        assert as_alice.post(url(purchase, call)).status_code == 302
    assert not CallAttempt.objects.exists()


def test_others_do_not_exist(client, bob, purchase):
    call = log_call(purchase, "no_answer", key=new_key())
    client.force_login(bob)
    assert client.post(url(purchase, call)).status_code == 404
    assert client.post(url(bought(bob), call)).status_code == 302
    assert CallAttempt.objects.get() == call


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase, log_call(purchase, "spoke", key=new_key()))).status_code == 405
