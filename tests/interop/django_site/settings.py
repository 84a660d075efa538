"""A Django site that shares its sessions. The marked settings are those that every service must agree on.

The environment selects Django's session store: SESSION_ENGINE, CACHE_BACKEND, CACHE_OPTIONS.
"""

import json
import os
from urllib.parse import urlsplit

SECRET_KEY = os.environ["SECRET_KEY"]  # shared
SECRET_KEY_FALLBACKS = [key for key in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key]  # shared

SESSION_COOKIE_NAME = "shared_session_id"  # shared
SESSION_ENGINE = os.environ.get("SESSION_ENGINE", "django.contrib.sessions.backends.cache")  # shared
SESSION_EXPIRE_AT_BROWSER_CLOSE = bool(os.environ.get("SESSION_EXPIRE_AT_BROWSER_CLOSE"))  # shared
SESSION_SAVE_EVERY_REQUEST = bool(os.environ.get("SESSION_SAVE_EVERY_REQUEST"))  # shared
CACHES = {
    "default": {
        "BACKEND": os.environ.get("CACHE_BACKEND", "django.core.cache.backends.redis.RedisCache"),  # shared
        "LOCATION": os.environ["REDIS_URL"],  # shared
        "KEY_PREFIX": os.environ.get("KEY_PREFIX", ""),  # shared
        "VERSION": int(os.environ.get("KEY_VERSION", "1")),  # shared
        "OPTIONS": json.loads(os.environ.get("CACHE_OPTIONS", "{}")),  # the codec: shared
    }
}

_database = urlsplit(os.environ["DATABASE_URL"])
_sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": _database.path}
DATABASES = {
    "default": _sqlite if _database.scheme == "sqlite" else {  # shared: users, and the sessions of db and cached_db
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "HOST": _database.hostname,
        "PORT": _database.port,
        "USER": _database.username,
        "PASSWORD": _database.password or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
]
AUTH_USER_MODEL = os.environ.get("AUTH_USER_MODEL", "auth.User")  # shared
if AUTH_USER_MODEL == "members.Member":
    INSTALLED_APPS.append("members")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# `hashers.py`: like Django's default, but cheap, because a test signs in hundreds of times.
if os.environ.get("FAST_PASSWORDS"):
    PASSWORD_HASHERS = ["hashers.FastPBKDF2", "django.contrib.auth.hashers.Argon2PasswordHasher"]

ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Without USE_TZ (the default before Django 5.0) times are stored as local times of TIME_ZONE.
USE_TZ = os.environ.get("USE_TZ", "1") == "1"  # shared
TIME_ZONE = os.environ.get("TIME_ZONE", "America/Chicago")  # shared without USE_TZ
LOGGING = {"version": 1, "handlers": {"stderr": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["stderr"]}}
