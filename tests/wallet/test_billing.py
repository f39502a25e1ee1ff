"""Name and address for receipts: to see, to change and to empty."""

import pytest

from marketplace.wallet.billing import details_of
from marketplace.wallet.models import BillingDetails
from tests.people import make_bob

pytestmark = pytest.mark.django_db
URL = "/wallet/billing/"
ADDRESS = {
    "name": "Zelda Quill",
    "address": "1 Test St",
    "city": "Columbus",
    "state": "OH",
    "postal_code": "43215-1234",
}


def test_it_works(as_buyer, buyer):
    response = as_buyer.post(URL, ADDRESS, follow=True)
    assert response.redirect_chain == [(URL, 302)]
    page = response.content.decode()
    assert "Your changes are saved." in page
    assert 'value="Zelda Quill"' in page
    assert {name: getattr(details_of(buyer), name) for name in ADDRESS} == ADDRESS


def test_who_was_signed_out_meanwhile_gets_back_what_was_typed(client, db):
    response = client.post(URL, ADDRESS)
    assert response.status_code == 403
    assert "Nothing was saved." in response.text
    assert "Name: Zelda Quill" in response.text
    assert not BillingDetails.objects.exists()


def test_looking_keeps_nothing(as_buyer):
    assert as_buyer.get(URL).status_code == 200
    assert not BillingDetails.objects.exists()


def test_emptied_is_gone(as_buyer, buyer):
    as_buyer.post(URL, ADDRESS)
    as_buyer.post(URL, dict.fromkeys(ADDRESS, ""))
    assert not BillingDetails.objects.exists()
    as_buyer.post(URL, dict.fromkeys(ADDRESS, "  "))
    assert not BillingDetails.objects.exists()


@pytest.mark.parametrize("field", ADDRESS)
def test_each_field_is_optional(as_buyer, field):
    assert as_buyer.post(URL, ADDRESS | {field: ""}).status_code == 302
    assert as_buyer.post(URL, {field: ADDRESS[field]}).status_code == 302
    assert BillingDetails.objects.count() == 1


def test_what_cannot_be_is_refused_and_kept(as_buyer):
    response = as_buyer.post(URL, ADDRESS | {"postal_code": "abc"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "<title>Error: " in page
    assert 'value="abc"' in page
    assert 'value="Zelda Quill"' in page
    assert not BillingDetails.objects.exists()


def test_a_form_of_nothing(as_buyer):
    assert as_buyer.post(URL).status_code == 302
    assert not BillingDetails.objects.exists()


def test_everybody_has_their_own(as_buyer, buyer):
    BillingDetails.objects.create(owner=make_bob(), name="Bob Builder")
    assert "Bob Builder" not in as_buyer.get(URL).content.decode()
    as_buyer.post(URL, ADDRESS)
    assert BillingDetails.objects.count() == 2
