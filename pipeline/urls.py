from django.urls import path

from pipeline import views

app_name = "pipeline"
urlpatterns = [
    path("sets/", views.set_list, name="sets"),
    path("sets/<int:pk>/", views.set_detail, name="set"),
    path("sets/<int:pk>/files/<str:kind>/", views.set_file, name="set-file"),
    path("training/", views.training_list, name="trainings"),
    path("training/launch/", views.training_launch, name="training-launch"),
    path("training/<int:pk>/", views.training_detail, name="training"),
    path("training/<int:pk>/progress/", views.training_progress, name="training-progress"),
    path("training/<int:pk>/stop/", views.training_stop, name="training-stop"),
]
