"""All addresses. Every page but the sign-in asks for a signed-in user (LoginRequiredMiddleware)."""

from django.urls import URLPattern, URLResolver, include, path

from evaluation.overview import overview
from madsafe_web.admin import site
from madsafe_web.core import health, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview, name="overview"),
    path("accounts/", include("madsafe_web.core.accounts.urls")),
    path("audit/", include("madsafe_web.core.auditing.urls")),
    path("endpoints/", include("madsafe_web.core.llm.urls")),
    path("templates/", include("madsafe_web.core.llm.editing.urls")),
    path("admin/", site.urls),
    path("runs/", include("madsafe_web.core.runs.urls")),
    path("dry-runs/", include("madsafe_web.core.runs.dry_urls")),
    path("", include("annotation.urls")),
    path("", include("pipeline.urls")),
    path("results/", include("evaluation.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("api/v1/", include("madsafe_web.api_urls")),
    path("set-theme/", views.set_theme, name="set-theme"),
    path("set-language/", views.set_language, name="set-language"),
]

handler400 = "madsafe_web.core.errors.bad_request"
handler500 = "madsafe_web.core.errors.server_error"
