from django.urls import path

from . import factor_views, views

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
    path("second-factor/", factor_views.overview, name="mfa_index"),
    path("second-factor/enter/", factor_views.second_step, name="mfa_authenticate"),
    path("second-factor/confirm/", factor_views.confirm_by_code, name="mfa_reauthenticate"),
    path("second-factor/confirm/passkey/", factor_views.confirm_by_passkey, name="mfa_reauthenticate_webauthn"),
    path("second-factor/app/", factor_views.add_app, name="mfa_activate_totp"),
    path("second-factor/app/remove/", factor_views.remove_app, name="mfa_deactivate_totp"),
    path("second-factor/passkeys/", factor_views.add_passkey, name="mfa_add_webauthn"),
    path("second-factor/passkeys/<str:key>/", factor_views.rename_passkey, name="mfa_edit_webauthn"),
    path("second-factor/passkeys/<str:key>/remove/", factor_views.remove_passkey, name="mfa_remove_webauthn"),
    path("second-factor/codes/", factor_views.see_codes, name="mfa_view_recovery_codes"),
    path("second-factor/codes/new/", factor_views.renew_codes, name="mfa_generate_recovery_codes"),
    path("second-factor/codes/download/", factor_views.download_codes, name="mfa_download_recovery_codes"),
]
