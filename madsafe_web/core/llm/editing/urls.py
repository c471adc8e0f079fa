from django.urls import path

from madsafe_web.core.llm.editing import views

app_name = "templates"
urlpatterns = [
    path("", views.template_list, name="list"),
    path("<str:name>/", views.template, name="template"),
    path("<str:name>/edit/", views.edit, name="edit"),
    path("<str:name>/use/", views.use, name="use"),
    path("<str:name>/diff/", views.diff, name="diff"),
    path("<str:name>/<int:number>/", views.version, name="version"),
]
