"""The addresses of the kernel's part of the API; each app brings its own (madsafe_web.api_urls)."""

from django.urls import path

from madsafe_web.core.api import describing, endpoints, house, notices, people, reference, run_limits, run_rows, runs

urlpatterns = [
    path("me/", house.MeView.as_view(), name="me"),
    path("me/tokens/", house.Tokens.as_view(), name="tokens"),
    path("me/tokens/<int:pk>/revoke/", people.TokenRevoke.as_view(), name="token-revoke"),
    path("stages/", runs.Stages.as_view(), name="stages"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<int:pk>/", runs.RunOne.as_view(), name="run"),
    path("runs/<int:pk>/start/", runs.RunStart.as_view(), name="run-start"),
    path("runs/<int:pk>/pause/", runs.RunPause.as_view(), name="run-pause"),
    path("runs/<int:pk>/resume/", runs.RunResume.as_view(), name="run-resume"),
    path("runs/<int:pk>/cancel/", runs.RunCancel.as_view(), name="run-cancel"),
    path("runs/<int:pk>/retry/", run_rows.RunRetry.as_view(), name="run-retry"),
    path("runs/<int:pk>/budget/", run_limits.RunBudget.as_view(), name="run-budget"),
    path("runs/<int:pk>/clone/", run_limits.RunClone.as_view(), name="run-clone"),
    path("notices/", notices.Notices.as_view(), name="notices"),
    path("notices/seen/", notices.NoticesSeen.as_view(), name="notices-seen"),
    path("runs/<int:pk>/reread/", run_rows.RunReread.as_view(), name="run-reread"),
    path("runs/<int:pk>/failed/", run_rows.RunFailed.as_view(), name="run-failed"),
    path("endpoints/", endpoints.Endpoints.as_view(), name="endpoints"),
    path("endpoints/<int:pk>/", endpoints.EndpointOne.as_view(), name="endpoint"),
    path("users/", people.Users.as_view(), name="users"),
    path("users/<int:pk>/", people.UserOne.as_view(), name="user"),
    path("users/<int:pk>/role/", people.UserRole.as_view(), name="user-role"),
    path("users/<int:pk>/disable/", people.UserDisable.as_view(), name="user-disable"),
    path("users/<int:pk>/enable/", people.UserEnable.as_view(), name="user-enable"),
    path("users/<int:pk>/password/", people.UserPassword.as_view(), name="user-password"),
    path("users/<int:pk>/sign-out/", people.UserSignOut.as_view(), name="user-sign-out"),
    path("audit/", house.Audit.as_view(), name="audit"),
    path("docs/", reference.reference, name="docs"),
    path("schema/", describing.SchemaJson.as_view(), name="schema"),
    path("schema.yaml", describing.SchemaYaml.as_view(), name="schema-yaml"),
]
