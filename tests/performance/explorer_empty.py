"""The product's addresses and one more: the frame of a page with nothing in it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from madsafe_web.core.access import needs
from madsafe_web.urls import urlpatterns as addresses


@needs("browse")
def empty(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [*addresses, path("empty/", empty)]
