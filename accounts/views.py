"""The member's own data. Signing up and in are allauth's views."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from .forms import ProfileForm


@require_http_methods(["GET", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Everything asked at registration and in the profile, to see and to change (LR-35)."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your changes are saved.")
        return redirect("accounts:profile")
    acceptances = request.user.acceptances.select_related("version").order_by("-id")
    context = {"form": form, "acceptances": acceptances}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)
