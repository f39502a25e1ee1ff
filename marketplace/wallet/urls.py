from django.urls import path

app_name = "wallet"
urlpatterns: list = []
