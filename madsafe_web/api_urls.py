"""The addresses of the API: those of the kernel, then those of the apps in the order of the method."""

from annotation.api import urls as annotation
from evaluation import api as evaluation
from madsafe_web.core.api import urls as core
from pipeline.api import urls as pipeline

app_name = "api"
urlpatterns = [*core.urlpatterns, *annotation.urlpatterns, *pipeline.urlpatterns, *evaluation.urlpatterns]
