from django.urls import path

from . import views

app_name = "leads"
urlpatterns = [
    path("leads/", views.catalogue, name="catalogue"),
    path("leads/fresh/", views.fresh_leads, name="fresh_leads"),
    path("leads/<slug:public_id>/", views.lead, name="lead"),
]
