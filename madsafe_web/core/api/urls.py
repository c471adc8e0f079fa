"""The addresses of the kernel's part of the API; each app brings its own (madsafe_web.api_urls)."""

from django.urls import path

from madsafe_web.core.api import describing, endpoints, house, runs

urlpatterns = [
    path("me/", house.MeView.as_view(), name="me"),
    path("me/tokens/", house.Tokens.as_view(), name="tokens"),
    path("stages/", runs.Stages.as_view(), name="stages"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<int:pk>/", runs.RunOne.as_view(), name="run"),
    path("runs/<int:pk>/start/", runs.RunStart.as_view(), name="run-start"),
    path("runs/<int:pk>/pause/", runs.RunPause.as_view(), name="run-pause"),
    path("runs/<int:pk>/resume/", runs.RunResume.as_view(), name="run-resume"),
    path("runs/<int:pk>/cancel/", runs.RunCancel.as_view(), name="run-cancel"),
    path("endpoints/", endpoints.Endpoints.as_view(), name="endpoints"),
    path("endpoints/<int:pk>/", endpoints.EndpointOne.as_view(), name="endpoint"),
    path("users/", house.Users.as_view(), name="users"),
    path("users/<int:pk>/", house.UserOne.as_view(), name="user"),
    path("audit/", house.Audit.as_view(), name="audit"),
    path("schema/", describing.SchemaJson.as_view(), name="schema"),
    path("schema.yaml", describing.SchemaYaml.as_view(), name="schema-yaml"),
]
