"""The addresses of this app's part of the API."""

from django.urls import path

from pipeline.api import sets, trainings

urlpatterns = [
    path("sets/", sets.Sets.as_view(), name="sets"),
    path("sets/<int:pk>/", sets.SetOne.as_view(), name="set"),
    path("sets/<int:pk>/files/<str:kind>/", sets.SetFile.as_view(), name="set-file"),
    path("trainings/", trainings.Trainings.as_view(), name="trainings"),
    path("trainings/<int:pk>/", trainings.TrainingOne.as_view(), name="training"),
    path("trainings/<int:pk>/stop/", trainings.TrainingStop.as_view(), name="training-stop"),
]
