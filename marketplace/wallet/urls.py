from django.urls import path

from . import views

app_name = "wallet"
urlpatterns = [
    path("wallet/", views.wallet, name="wallet"),
    path("wallet/statement.csv", views.statement_csv, name="statement_csv"),
    path("wallet/add/", views.add_money, name="add_money"),
    path("wallet/billing/", views.billing, name="billing"),
    path("wallet/deposits/<slug:public_id>/", views.deposit, name="deposit"),
    path("wallet/deposits/<slug:public_id>/receipt/", views.receipt, name="receipt"),
    path("webhooks/stripe/", views.stripe_webhook, name="stripe_webhook"),
]
