"""The member's own data, and allauth's pages for signing up and in as the house wants them."""

from collections.abc import Callable
from functools import wraps

from allauth.account import views as allauth
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.core.refusals import TooMany, say_when
from privacy.vault.reveals import looks_at

from . import codes, pages, resets
from .factors import has_second_factor
from .forms import ProfileForm, SupportCodeForm
from .members import shown_to_members
from .models import User
from .services import HandleTaken, change_profile

View = Callable[..., HttpResponseBase]
LOOKS_SHOWN = 20


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
    context = {
        "form": form, "acceptances": acceptances, "second_factor": has_second_factor(member),
        "looks": looks_at(member)[:LOOKS_SHOWN], "looks_shown": LOOKS_SHOWN,
    }  # fmt: skip
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
            if not request.user.is_authenticated:
                request.session.flush()  # a browser that still waits for another code would go on asking for that
            messages.success(request, f"Your email is confirmed. Your public name is {member.handle}. Please sign in.")
            return redirect("account_login")
    context = {"form": form, "refusal": refusal}
    response = render(request, "accounts/confirm_by_code.html", context, status=422 if form.errors else status)
    return say_when(response, refusal) if refusal else response


# --- allauth's pages --------------------------------------------------------------------------------------------------


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


sign_up = pages.page(pages.SignUp.as_view())
sign_in = pages.page(pages.SignIn.as_view())
sign_out = pages.page(allauth.logout)
closed = pages.page(allauth.account_inactive)
enter_code = pages.page(pages.EnterCode.as_view())
confirm_password = pages.page(allauth.reauthenticate)
change_email = pages.page(_change_email)
change_password = pages.page(allauth.password_change)
reset_password = pages.page(allauth.password_reset)
enter_reset_code = pages.page(_if_unchanged(pages.EnterResetCode.as_view()))
set_new_password = pages.page(_if_unchanged(allauth.complete_password_reset))
new_password_set = pages.page(allauth.password_reset_from_key_done)
