"""`POST /my-leads/<id>/calls/`: log a call that was made just now, in one tap."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.purchases.calls import log_call
from marketplace.purchases.models import CallAttempt, Purchase
from marketplace.purchases.services import new_key

from .conftest import bought


def url(purchase):
    return reverse("purchases:log_call", args=[purchase.public_id])


def test_it_works(as_alice, purchase):
    response = as_alice.post(url(purchase), {"outcome": "left_message", "key": new_key()}, follow=True)

    page = response.content.decode()
    assert "Call logged: Left a message." in page
    call = CallAttempt.objects.get()
    assert (call.purchase, call.outcome) == (purchase, "left_message")
    assert abs((clock.now() - call.made_at).total_seconds()) < 60
    undo = reverse("purchases:remove_call", args=[purchase.public_id, call.public_id])
    assert f'action="{undo}"' in page.split('class="flashes"')[1].split("<h1>")[0]


def test_every_outcome_is_one_tap(as_alice, purchase):
    page = as_alice.get(reverse("purchases:my_lead", args=[purchase.public_id])).content.decode()
    for outcome in CallAttempt.Outcome:
        assert f'name="outcome" value="{outcome.value}">{outcome.label}</button>' in page
        as_alice.post(url(purchase), {"outcome": outcome.value, "key": new_key()})
    assert CallAttempt.objects.count() == len(CallAttempt.Outcome)


def test_a_double_tap_logs_one_call(as_alice, purchase):
    form = {"outcome": "no_answer", "key": new_key()}
    for _ in range(2):
        assert as_alice.post(url(purchase), form).status_code == 302
    assert CallAttempt.objects.count() == 1


def test_another_outcome_from_the_same_page_is_another_call(as_alice, purchase):
    """Back, and the wish not to be called: it must not be taken for a double tap."""
    key = new_key()
    for outcome in ("no_answer", "asked_not"):
        page = as_alice.post(url(purchase), {"outcome": outcome, "key": key}, follow=True).content.decode()
    assert "Call logged: Asked not to call." in page
    assert set(CallAttempt.objects.values_list("outcome", flat=True)) == {"no_answer", "asked_not"}


def test_one_key_serves_all_rows_of_a_list(as_alice, alice, purchase):
    form = {"outcome": "no_answer", "key": new_key()}
    for mine in (purchase, bought(alice)):
        as_alice.post(url(mine), form)
    assert CallAttempt.objects.count() == 2


def test_the_database_keeps_a_key_once(purchase):
    call = log_call(purchase, "spoke", key="once")
    with pytest.raises(IntegrityError), transaction.atomic():
        CallAttempt.objects.create(purchase=purchase, key="once", outcome="spoke", made_at=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        CallAttempt.objects.filter(pk=call.pk).update(outcome="sang")


def test_a_call_changes_no_stage(as_alice, purchase):
    as_alice.post(url(purchase), {"outcome": "spoke", "key": new_key()})
    assert Purchase.objects.get().stage == "new"


def test_the_list_comes_back_to_where_it_was(as_alice, purchase):
    form = {"outcome": "spoke", "key": new_key(), "next": "/my-leads/?q=a"}
    assert as_alice.post(url(purchase), form)["Location"] == "/my-leads/?q=a"


@pytest.mark.parametrize(("outcome", "key"), [("sang", None), ("", None), ("spoke", ""), ("spoke", "x" * 99)])
def test_an_incomplete_form_is_refused(as_alice, purchase, outcome, key):
    response = as_alice.post(url(purchase), {"outcome": outcome, "key": new_key() if key is None else key})
    assert response.status_code == 422
    assert "There is a problem" in response.content.decode()
    assert not CallAttempt.objects.exists()


def test_others_do_not_exist(client, bob, purchase):
    client.force_login(bob)
    assert client.post(url(purchase), {"outcome": "spoke", "key": new_key()}).status_code == 404
    assert not CallAttempt.objects.exists()


def test_a_visitor_signs_in(client, purchase):
    assert client.post(url(purchase), {"outcome": "spoke", "key": new_key()}).status_code == 403


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase)).status_code == 405
