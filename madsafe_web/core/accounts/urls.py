from django.contrib.auth.views import LogoutView
from django.urls import path

from madsafe_web.core import keys_views
from madsafe_web.core.accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.OwnPassword.as_view(), name="password"),
    path("keys/", keys_views.key_list, name="keys"),
]
