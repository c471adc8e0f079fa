"""The product as it is served, with one more address: the frame of a page with nothing in it."""

from django.conf import settings

settings.ROOT_URLCONF = "tests.performance.explorer_empty"

from madsafe_web.wsgi import application  # noqa: E402  # it loads every address

__all__ = ["application"]
