from django.urls import path

from . import views

app_name = "leads"
urlpatterns = [
    path("leads/", views.catalogue, name="catalogue"),
    path("leads/fresh/", views.fresh_leads, name="fresh_leads"),
    path("searches/", views.saved_searches, name="saved_searches"),
    path("searches/save/", views.save_search, name="save_search"),
    path("searches/<slug:public_id>/", views.saved_search, name="saved_search"),
    path("searches/<slug:public_id>/remove/", views.remove_search, name="remove_search"),
    path("searches/<slug:public_id>/restore/", views.restore_search, name="restore_search"),
    path("leads/<slug:public_id>/", views.lead, name="lead"),
]
