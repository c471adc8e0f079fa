from django.urls import path

from evaluation import views

app_name = "evaluation"
urlpatterns = [
    path("", views.results, name="results"),
    path("<slug:benchmark>/csv/", views.results_csv, name="results-csv"),
]
