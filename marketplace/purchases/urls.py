from django.urls import path

from .views import buying, exports, my_lead, my_leads, orders, working

app_name = "purchases"
urlpatterns = [
    path("leads/buy/", buying.buy_leads, name="buy_leads"),
    path("leads/<slug:public_id>/buy/", buying.buy_lead, name="buy_lead"),
    path("orders/<slug:public_id>/", orders.order, name="order"),
    path("my-leads/", my_leads.my_leads, name="my_leads"),
    path("my-leads/export.csv", exports.export_csv, name="export_csv"),
    path("my-leads/export.xlsx", exports.export_xlsx, name="export_xlsx"),
    path("my-leads/exports/", exports.start_export, name="start_export"),
    path("my-leads/exports/<slug:public_id>/", exports.export, name="export"),
    path("my-leads/exports/<slug:public_id>/file/", exports.export_file, name="export_file"),
    path("my-leads/call-sheet/", my_leads.call_sheet, name="call_sheet"),
    path("my-leads/<slug:public_id>/", my_lead.my_lead, name="my_lead"),
    path("my-leads/<slug:public_id>/stage/", working.set_stage, name="set_stage"),
    path("my-leads/<slug:public_id>/calls/", working.log_call, name="log_call"),
    path("my-leads/<slug:public_id>/calls/<slug:call_id>/remove/", working.remove_call, name="remove_call"),
    path("my-leads/<slug:public_id>/next-call/", working.plan_call, name="plan_call"),
    path("my-leads/<slug:public_id>/dnc-check/", working.note_dnc_check, name="note_dnc_check"),
    path("my-leads/<slug:public_id>/notes/", working.add_note, name="add_note"),
    path("my-leads/<slug:public_id>/notes/<slug:note_id>/remove/", working.remove_note, name="remove_note"),
    path("my-leads/<slug:public_id>/notes/<slug:note_id>/restore/", working.restore_note, name="restore_note"),
]
