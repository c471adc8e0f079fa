from django.urls import path

from madsafe_web.core import keys_views
from madsafe_web.core.accounts import admin_views, own_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", views.SignOut.as_view(), name="logout"),
    path("password/", views.OwnPassword.as_view(), name="password"),
    path("keys/", keys_views.key_list, name="keys"),
    path("profile/", own_views.profile, name="profile"),
    path("profile/sign-out/", own_views.signout_everywhere, name="signout-everywhere"),
    path("tokens/", own_views.own_tokens, name="tokens"),
    path("tokens/<int:pk>/revoke/", own_views.token_revoke, name="token-revoke"),
    path("users/", admin_views.users, name="users"),
    path("users/<int:pk>/", admin_views.user, name="user"),
    path("users/<int:pk>/role/", admin_views.user_role, name="user-role"),
    path("users/<int:pk>/disable/", admin_views.user_disable, name="user-disable"),
    path("users/<int:pk>/enable/", admin_views.user_enable, name="user-enable"),
    path("users/<int:pk>/password/", admin_views.user_password, name="user-password"),
    path("users/<int:pk>/sign-out/", admin_views.user_signout, name="user-signout"),
]
