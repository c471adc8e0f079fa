from django.urls import path

from madsafe_web.core.runs import dry_views

app_name = "dry"
urlpatterns = [
    path("new/", dry_views.dry_new, name="new"),
    path("<int:pk>/", dry_views.dry_detail, name="detail"),
    path("<int:pk>/progress/", dry_views.dry_progress, name="progress"),
]
