from django.urls import path

from madsafe_web.core.runs import draft_views, notice_views, refused_views, views

app_name = "runs"
urlpatterns = [
    path("", views.run_list, name="list"),
    path("notices/", notice_views.notice_list, name="notices"),
    path("notices/bell/", notice_views.bell, name="bell"),
    path("notices/newest/", notice_views.newest, name="notices-newest"),
    path("notices/sent/", notice_views.sent, name="notices-sent"),
    path("notices/seen/", notice_views.seen, name="notices-seen"),
    path("start/", views.start, name="start"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/progress/", views.progress, name="progress"),
    path("<int:pk>/pause/", views.pause, name="pause"),
    path("<int:pk>/resume/", views.resume, name="resume"),
    path("<int:pk>/cancel/", views.cancel, name="cancel"),
    path("<int:pk>/clone/", draft_views.clone, name="clone"),
    path("<int:pk>/edit/", draft_views.edit, name="edit"),
    path("<int:pk>/retry/", views.retry, name="retry"),
    path("refusals/", refused_views.refusals, name="refusals"),
    path("<int:pk>/refused/", refused_views.refused, name="refused"),
    path("<int:pk>/reread/", views.reread, name="reread"),
    path("<int:pk>/failed/", views.failed, name="failed"),
]
