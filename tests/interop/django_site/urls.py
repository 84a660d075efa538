"""The routes."""

from django.contrib import admin
from django.urls import path

import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", views.LoginForm.as_view()),
    path("login.json", views.login_json),
    path("logout", views.logout_json),
    path("me", views.me),
    path("password", views.change_password),
    path("session/<str:name>", views.session_entry),
    path("visits", views.visits),
    path("objects", views.python_objects),
    path("cycle-key", views.cycle_key),
    path("expiry", views.expiry),
    path("messages", views.messages_json),
    path("form", views.form),
]
