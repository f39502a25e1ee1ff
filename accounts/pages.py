"""allauth's pages where the house wants more of them: who is stopped there can go on from there."""

import math
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account import views as allauth
from allauth.account.internal.flows.email_verification_by_code import EmailVerificationProcess
from allauth.account.utils import get_next_redirect_url, passthrough_next_redirect_url
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.generic.edit import FormView

from marketplace.core.refusals import TooMany, say_when

from .forms import EmailCodeForm, SignInForm

View = Callable[..., HttpResponseBase]


def page(view: View) -> View:
    """allauth's ``view`` as a page of this house: GET and POST only, 422 for a form with mistakes, and nothing that
    browsers keep: a code's page names the email. Who is sent to another door does not lose where they wanted to go."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @never_cache
    @wraps(view)
    def shown(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        response = view(request, **kwargs)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            form = (response.context_data or {}).get("form")
            if form is not None and form.errors:
                response.status_code = 422
        there = response.get("Location", "")
        if there in _doors() and there != get_next_redirect_url(request):
            response["Location"] = passthrough_next_redirect_url(request, there, "next")
        return response

    return shown


def _doors() -> set[str]:
    return {reverse("account_login"), reverse("account_email_verification_sent")}


def too_often(view: FormView, form: Form, refusal: TooMany) -> HttpResponse:
    """429: the page itself, with the sentence and the time to wait."""
    response = view.render_to_response(view.get_context_data(form=form, refusal=refusal), status=refusal.status)
    return say_when(response, refusal)


class SignUp(allauth.SignupView):
    """Knows whether somebody comes because they want a lead."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"is_buying": _is_buying(self.request)}


def _is_buying(request: HttpRequest) -> bool:
    wanted = get_next_redirect_url(request) or ""
    try:
        return resolve(urlsplit(wanted).path).view_name == "purchases:buy_lead"
    except Resolver404:
        return False


class SignIn(allauth.LoginView):
    """Keeps the email of somebody who tried too often."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except TooMany as refusal:
            typed = {"login": request.POST.get("login", ""), "remember": "remember" in request.POST}
            return too_often(self, SignInForm(initial=typed, request=request), refusal)


class _Code(FormView):
    """Only 8 wrong digits use up a try, and the page tells how many and how much time are left."""

    _process: Any  # allauth's record of the code that is waited for

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        process = self._process
        left = process.state["at"] + process.timeout - time.time()
        context = super().get_context_data(**kwargs)
        context["minutes_left"] = max(1, math.ceil(left / 60))
        context["tries_left"] = process.max_attempts - process.state["failed_attempts"]
        return context

    def form_invalid(self, form: Any) -> HttpResponse:
        if form.is_a_try:
            return super().form_invalid(form)
        return self.render_to_response(self.get_context_data(form=form))


class EnterCode(_Code, allauth.ConfirmEmailVerificationCodeView):
    """The code that proves an email. Nothing is shown of an address that support corrected meanwhile, nor mailed to it:
    it may be somebody else's."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        waiting = EmailVerificationProcess.resume(request)
        if waiting and request.user.is_anonymous and waiting.user and waiting.user.email != waiting.email:
            waiting.abort()
            messages.info(
                request, "Our support corrected your address and mailed a code to the right one. Enter it here."
            )
            return redirect("accounts:confirm_by_code")
        return super().dispatch(request, *args, **kwargs)

    def _resend_form_valid(self, form: Form) -> HttpResponse:
        before = dict(self._process.state)
        try:
            response: HttpResponse = super()._resend_form_valid(form)
        except TooMany as refusal:
            self._process.state.update(before)  # nothing was sent: the code in the last mail is still the one
            return too_often(self, EmailCodeForm(), refusal)
        messages.success(self.request, "We sent a new code. Earlier ones no longer work.")
        return response


class EnterResetCode(_Code, allauth.ConfirmPasswordResetCodeView):
    """The code that allows a new password."""
