from django.urls import path

from . import views

app_name = "accounts"
urlpatterns = [
    path("account/", views.profile, name="profile"),
    path("accounts/code/", views.confirm_by_code, name="confirm_by_code"),
]

# allauth's pages under allauth's names; those we do not use do not exist.
entrance = [
    path("signup/", views.sign_up, name="account_signup"),
    path("login/", views.sign_in, name="account_login"),
    path("logout/", views.sign_out, name="account_logout"),
    path("inactive/", views.closed, name="account_inactive"),
    path("confirm-email/", views.enter_code, name="account_email_verification_sent"),
    path("reauthenticate/", views.confirm_password, name="account_reauthenticate"),
    path("email/", views.change_email, name="account_email"),
    path("password/change/", views.change_password, name="account_change_password"),
    path("password/reset/", views.reset_password, name="account_reset_password"),
    path("password/reset/confirm/", views.enter_reset_code, name="account_confirm_password_reset_code"),
    path("password/reset/complete/", views.set_new_password, name="account_complete_password_reset"),
    path("password/reset/done/", views.new_password_set, name="account_password_reset_completed"),
]
