"""What an order bought."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from marketplace.purchases import services, several
from marketplace.purchases.models import Order, Purchase


@login_required
@require_safe
def order(request: HttpRequest, public_id: str) -> HttpResponse:
    """What an order bought, and what it did not and why, with similar leads beside it."""
    found = get_object_or_404(Order.objects.for_user(request.user), public_id=public_id)
    mine = Purchase.objects.for_user(request.user).filter(order=found).with_wishes()
    loaded = mine.select_related("lead__vertical", "lead__contact", "lead__consent").order_by("pk")
    refused = list(found.refused.select_related("lead__vertical", "earlier").order_by("pk"))
    context = {
        "order": found,
        "rows": [(purchase, services.open_contact(purchase)) for purchase in loaded],
        "total": sum(purchase.price_cents for purchase in loaded),
        "refused": several.beside(request.user, refused, but=[line.lead for line in refused]),
    }
    return render(request, "purchases/order.html", context)
