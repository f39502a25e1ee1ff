"""The member's own data, and allauth's pages for signing up and in as the house wants them."""

from collections.abc import Callable
from functools import wraps

from allauth.account import views as allauth
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.utils import get_next_redirect_url, passthrough_next_redirect_url
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.core.refusals import TooMany

from . import codes, pages, resets
from .forms import ProfileForm, SupportCodeForm
from .members import shown_to_members
from .models import User
from .services import HandleTaken, change_profile

View = Callable[..., HttpResponseBase]


@require_http_methods(["GET", "HEAD", "POST"])
@shown_to_members
def profile(request: HttpRequest) -> HttpResponse:
    """Everything asked at registration and in the profile, to see and to change (LR-35)."""
    # An own copy: the form writes into its instance even when it refuses.
    member = User.objects.get(pk=request.user.pk)  # type: ignore[misc]
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=member)
    if request.method == "POST" and form.is_valid():
        try:
            change_profile(form.instance)
        except HandleTaken as taken:
            form.add_error("handle", taken.message)
        else:
            messages.success(request, "Your changes are saved.")
            return redirect("accounts:profile")
    acceptances = member.acceptances.select_related("version").order_by("-id")
    context = {"form": form, "acceptances": acceptances}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirm_by_code(request: HttpRequest) -> HttpResponse:
    """The code that support sent: it proves an email without the browser in which somebody signed up."""
    form = SupportCodeForm(request.POST or None)
    refusal, status = None, 200
    if form.is_valid():
        try:
            member = codes.confirm(form.cleaned_data["email"], form.cleaned_data["code"])
        except codes.WrongCode as wrong:
            form.add_error("code", wrong.message)
        except TooMany as often:
            refusal, status = often, often.status
        else:
            messages.success(request, f"Your email is confirmed. Your public name is {member.handle}. Please sign in.")
            return redirect("account_login")
    context = {"form": form, "refusal": refusal}
    response = render(request, "accounts/confirm_by_code.html", context, status=422 if form.errors else status)
    if refusal is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


# --- allauth's pages --------------------------------------------------------------------------------------------------


def _page(view: View) -> View:
    """allauth's ``view`` as a page of this house: GET and POST only, 422 for a form with mistakes, and nothing that
    browsers keep: a code's page names the email. Who is sent to another door does not lose where they wanted to go."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @never_cache
    @wraps(view)
    def page(request: HttpRequest) -> HttpResponseBase:
        response = view(request)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            form = (response.context_data or {}).get("form")
            if form is not None and form.errors:
                response.status_code = 422
        there = response.get("Location", "")
        if there in _doors() and there != get_next_redirect_url(request):
            response["Location"] = passthrough_next_redirect_url(request, there, "next")
        return response

    return page


def _doors() -> set[str]:
    return {reverse("account_login"), reverse("account_email_verification_sent")}


@login_required
def _change_email(request: HttpRequest) -> HttpResponse:
    """Ask for the password first unless it was just given.

    allauth would do so as well, but keep the whole request, with IP and browser, in the session meanwhile (AL-30).
    """
    if is_reauthentication_required(request, app="allauth.account"):
        return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}")
    if request.method == "POST" and "action_add" not in request.POST:
        return redirect(request.path)  # what allauth offers besides, members with one address do not need
    return allauth.email(request)


def _if_unchanged(view: View) -> View:
    """The steps after a reset code was asked for, as long as the account is what it was then."""

    @wraps(view)
    def step(request: HttpRequest) -> HttpResponseBase:
        resets.forget_if_changed(request.session)
        return view(request)

    return step


sign_up = _page(pages.SignUp.as_view())
sign_in = _page(pages.SignIn.as_view())
sign_out = _page(allauth.logout)
closed = _page(allauth.account_inactive)
enter_code = _page(pages.EnterCode.as_view())
confirm_password = _page(allauth.reauthenticate)
change_email = _page(_change_email)
change_password = _page(allauth.password_change)
reset_password = _page(allauth.password_reset)
enter_reset_code = _page(_if_unchanged(pages.EnterResetCode.as_view()))
set_new_password = _page(_if_unchanged(allauth.complete_password_reset))
new_password_set = _page(allauth.password_reset_from_key_done)
