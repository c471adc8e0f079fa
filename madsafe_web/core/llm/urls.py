from django.urls import path

from madsafe_web.core.llm import views

app_name = "llm"
urlpatterns = [
    path("", views.endpoints, name="endpoints"),
    path("new/", views.endpoint_new, name="endpoint-new"),
    path("<int:pk>/", views.endpoint, name="endpoint"),
    path("<int:pk>/try/", views.endpoint_tried, name="endpoint-try"),
]
