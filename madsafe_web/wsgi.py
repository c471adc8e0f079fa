"""WSGI application, served by gunicorn (see `manage.py serve`)."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "madsafe_web.settings")
application = get_wsgi_application()

# Before gunicorn forks: what is loaded here the workers share, as long as the collector of none of them touches it.
get_resolver().url_patterns  # noqa: B018  # loads every view
gc.collect()
gc.freeze()
