from django.urls import path

from . import views

app_name = "purchases"
urlpatterns = [
    path("leads/buy/", views.buy_leads, name="buy_leads"),
    path("leads/<slug:public_id>/buy/", views.buy_lead, name="buy_lead"),
    path("orders/<slug:public_id>/", views.order, name="order"),
    path("my-leads/", views.my_leads, name="my_leads"),
    path("my-leads/export.csv", views.export_csv, name="export_csv"),
    path("my-leads/export.xlsx", views.export_xlsx, name="export_xlsx"),
    path("my-leads/exports/", views.start_export, name="start_export"),
    path("my-leads/exports/<slug:public_id>/", views.export, name="export"),
    path("my-leads/exports/<slug:public_id>/file/", views.export_file, name="export_file"),
    path("my-leads/call-sheet/", views.call_sheet, name="call_sheet"),
    path("my-leads/<slug:public_id>/", views.my_lead, name="my_lead"),
    path("my-leads/<slug:public_id>/stage/", views.set_stage, name="set_stage"),
    path("my-leads/<slug:public_id>/calls/", views.log_call, name="log_call"),
    path("my-leads/<slug:public_id>/calls/<slug:call_id>/remove/", views.remove_call, name="remove_call"),
    path("my-leads/<slug:public_id>/next-call/", views.plan_call, name="plan_call"),
    path("my-leads/<slug:public_id>/dnc-check/", views.note_dnc_check, name="note_dnc_check"),
    path("my-leads/<slug:public_id>/notes/", views.add_note, name="add_note"),
    path("my-leads/<slug:public_id>/notes/<slug:note_id>/remove/", views.remove_note, name="remove_note"),
    path("my-leads/<slug:public_id>/notes/<slug:note_id>/restore/", views.restore_note, name="restore_note"),
]
