from django.urls import path

app_name = "purchases"
urlpatterns: list = []
