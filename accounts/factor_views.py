"""The pages of the second factor: having one, and being asked for it."""

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from marketplace.core.refusals import TooMany

from . import factors, qr
from .adapter import FactorAdapter
from .factor_forms import AddAppForm, AddPasskeyForm, ConfirmByCodeForm, PasskeyNameForm, SecondStepForm
from .members import MemberRequest, recently_confirmed, shown_to_members
from .pages import page, too_often
from .services import require_verified

OwnPage = Callable[..., HttpResponse]


def _sure(view: OwnPage) -> Callable[..., HttpResponseBase]:
    """A page of a member about their own factors, who gave password or factor a moment ago."""
    return page(shown_to_members(recently_confirmed(view)))


def _overview(request: MemberRequest) -> HttpResponse:
    """What is on, since when, and when it was used last."""
    found = factors.of(request.user)
    codes_left = len(factors.recovery_codes(found.codes)) if found.codes else 0
    needed = request.user.is_staff and settings.STAFF_SECOND_FACTOR and not found.is_on
    return render(request, "mfa/index.html", {"factors": found, "codes_left": codes_left, "needed": needed})


def _changed(request: MemberRequest, sentence: str, *, added: factors.Kind | None = None, codes: bool = False) -> Any:
    """The member's other sessions have ended; this one goes on. Who just added a factor has shown that they have it."""
    update_session_auth_hash(request, request.user)
    if added:
        record_authentication(request, request.user, method="mfa", type=added.value, reauthenticated=True)
    messages.success(request, sentence)
    return redirect("mfa_view_recovery_codes" if codes else "mfa_index")


def _add_app(request: MemberRequest) -> HttpResponse:
    """The secret for the app, as a picture and as text, until a code shows that the app has it."""
    require_verified(request.user)
    if factors.of(request.user).app:
        raise factors.AlreadyOn
    secret = factors.offered_secret(request.session, request.user)
    form = AddAppForm(request.POST if request.method == "POST" else None, secret=secret)
    if form.is_valid():
        codes = factors.add_app(request.user, secret, step=form.step)
        factors.forget_offered_secret(request.session)
        return _changed(request, "The authenticator app is on.", added=factors.Kind.TOTP, codes=codes)
    address = FactorAdapter().build_totp_url(request.user, secret)
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    context = {"form": form, "address": address, "picture": qr.drawn(address), "secret": groups}
    return render(request, "mfa/totp/activate_form.html", context, status=422 if form.errors else 200)


def _remove_app(request: MemberRequest) -> HttpResponse:
    row = factors.of(request.user).app
    if row is None:
        raise Http404
    if request.method == "POST":
        factors.remove(request.user, row)
        return _changed(request, "The authenticator app is removed.")
    return render(request, "mfa/totp/deactivate_form.html", {"is_last": factors.is_last(request.user, row)})


def _add_passkey(request: MemberRequest) -> HttpResponse:
    """The browser makes a passkey, and gets asked anew each time that the page is shown."""
    require_verified(request.user)
    name = FactorAdapter().generate_authenticator_name(request.user, factors.Kind.WEBAUTHN)
    form = AddPasskeyForm(request.POST if request.method == "POST" else None, initial={"name": name})
    if form.is_valid():
        try:
            codes = factors.add_passkey(request.user, form.cleaned_data["credential"], name=form.cleaned_data["name"])
        except (factors.KnownPasskey, factors.TooManyPasskeys) as refused:
            form.add_error(None, refused.message)
        else:
            return _changed(request, "The passkey is added.", added=factors.Kind.WEBAUTHN, codes=codes)
    options = webauthn.begin_registration(request.user, passwordless=False)
    context = {"form": form, "options": options}
    return render(request, "mfa/webauthn/add_form.html", context, status=422 if form.errors else 200)


def _passkey(request: MemberRequest, key: str) -> Authenticator:
    row = factors.passkey(request.user, key)
    if row is None:
        raise Http404
    return row


def _rename_passkey(request: MemberRequest, key: str) -> HttpResponse:
    row = _passkey(request, key)
    form = PasskeyNameForm(request.POST if request.method == "POST" else None, initial={"name": row.data["name"]})
    if form.is_valid():
        factors.rename_passkey(request.user, row, form.cleaned_data["name"])
        messages.success(request, "The passkey has its new name.")
        return redirect("mfa_index")
    context = {"form": form, "passkey": row}
    return render(request, "mfa/webauthn/edit_form.html", context, status=422 if form.errors else 200)


def _remove_passkey(request: MemberRequest, key: str) -> HttpResponse:
    row = _passkey(request, key)
    if request.method == "POST":
        factors.remove(request.user, row)
        return _changed(request, "The passkey is removed.")
    context = {"passkey": row, "is_last": factors.is_last(request.user, row)}
    return render(request, "mfa/webauthn/authenticator_confirm_delete.html", context)


def _codes_of(request: MemberRequest) -> list[str]:
    row = factors.of(request.user).codes
    if row is None:
        raise Http404
    return factors.recovery_codes(row)


def _see_codes(request: MemberRequest) -> HttpResponse:
    return render(request, "mfa/recovery_codes/index.html", {"codes": _codes_of(request), "made": factors.CODES})


def _download_codes(request: MemberRequest) -> HttpResponse:
    """The same as a text file."""
    context = {"codes": _codes_of(request)}
    answer = render(request, "mfa/recovery_codes/download.txt", context, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="leadfair-recovery-codes.txt"'
    return answer


def _renew_codes(request: MemberRequest) -> HttpResponse:
    left = len(_codes_of(request))
    if request.method == "POST":
        factors.renew_recovery_codes(request.user)
        messages.success(request, "These are your new recovery codes. Earlier ones no longer work.")
        return redirect("mfa_view_recovery_codes")
    return render(request, "mfa/recovery_codes/generate.html", {"left": left})


class _SecondStep(AuthenticateView):
    """After the password: a code, a recovery code or a passkey. Who guessed too often waits here and need not begin
    anew."""

    stage: Any
    auth_form: Any
    webauthn_form: Any

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except TooMany as refusal:
            return too_often(self, SecondStepForm(user=self.stage.login.user), refusal)
        return answer

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._ended() or super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._ended() or super().post(request, *args, **kwargs)

    def _ended(self) -> HttpResponse | None:
        if not self.stage.is_over:
            return None
        messages.warning(self.request, "Your account was changed meanwhile. Please sign in again.")
        begin_anew: HttpResponse = self.stage.abort()
        return begin_anew

    def form_invalid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_invalid(form)
        answer.status_code = 422
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data() | {"factors": factors.of(self.stage.login.user)}
        return context | {"options": context["js_data"]["request_options"]} | kwargs


class _ConfirmByCode(ReauthenticateView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except TooMany as refusal:
            return too_often(self, ConfirmByCodeForm(user=request.user), refusal)
        return answer


class _ConfirmByPasskey(ReauthenticateWebAuthnView):
    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data()
        return context | {"options": context["js_data"]["request_options"]} | kwargs


overview = page(shown_to_members(_overview))
add_app, remove_app = _sure(_add_app), _sure(_remove_app)
add_passkey, rename_passkey, remove_passkey = _sure(_add_passkey), _sure(_rename_passkey), _sure(_remove_passkey)
see_codes, download_codes, renew_codes = _sure(_see_codes), _sure(_download_codes), _sure(_renew_codes)
second_step = page(_SecondStep.as_view())
confirm_by_code = page(_ConfirmByCode.as_view())
confirm_by_passkey = page(_ConfirmByPasskey.as_view())
