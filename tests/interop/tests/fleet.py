"""Services that share one Redis database, one PostgreSQL database and one secret key."""

import base64
import hashlib
import itertools
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from profiles import Profile
from servers import ROOT, Postgres, Redis, Service, rows_of, start_python, start_rust

SECRET_KEY = "django-insecure-interop-8v2k!pq#0d$w1z%c^m&x*a(7)"
PASSWORD = "correct horse battery"
SOURCES = ROOT / "tests" / "interop"
COUNTER = itertools.count(1)


@dataclass(frozen=True)
class User:
    id: str
    username: str
    password: str = PASSWORD


class Fleet:
    """The services of one profile. Each starts at its first use."""

    def __init__(self, profile: Profile, store: Redis, postgres: Postgres, number: int) -> None:
        self.profile, self.store, self.postgres = profile, store, postgres
        self.database = f"fleet_{next(COUNTER)}"
        self.redis_url = f"{store.url}/{number}"
        self.redis = redis.Redis.from_url(self.redis_url)
        self.connection: psycopg.Connection | None = None
        self.services: dict[str, Service] = {}
        self.redis.flushdb()
        template = f" TEMPLATE {django_template(postgres)}" if profile.is_django else ""
        postgres.run("postgres", f"CREATE DATABASE {self.database}{template}")
        if not profile.is_django:
            # `site` creates the tables.
            self.url("site")

    @property
    def database_url(self) -> str:
        return self.postgres.url(self.database)

    def url(self, name: str, **changes: str) -> str:
        """The URL of a service: the usual one, or one with other settings."""
        variant = " ".join([name, *(f"{setting}={value}" for setting, value in changes.items())])
        if variant not in self.services:
            self.services[variant] = self.start(name, **changes)
        return self.services[variant].url

    def start(self, name: str, **changes: str) -> Service:
        env = {**self.environment(name), **changes}
        if name == "django":
            return start_django(env)
        if name == "fastapi":
            options = ["--fd", "{fd}", "--log-level", "warning"]
            command = [program("uvicorn"), *options, "app:app"]
            return start_python(command, SOURCES / "fastapi_service", env, "/docs", stop=signal.SIGKILL)
        return start_rust(name, env)

    def environment(self, name: str) -> dict[str, str]:
        env = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": self.database_url}
        if name == "django":
            return env | {"REDIS_URL": self.redis_url, "FAST_PASSWORDS": "1"} | self.profile.django_environment()
        if name == "fastapi":
            return env | {"REDIS_URL": self.redis_url} | self.profile.fastapi_environment()
        sessions = self.redis_url if self.profile.uses_redis else self.database_url
        return env | {"SESSION_URL": sessions} | self.profile.rust_environment()

    def new_user(self, **flags: bool) -> User:
        username = f"user{next(COUNTER)}"
        columns = "password, username, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined"
        rows = self.sql(
            f"INSERT INTO auth_user ({columns}) VALUES (%s, %s, %s, %s, %s, '', '', %s, now()) RETURNING id",
            encoded(PASSWORD),
            username,
            flags.get("is_superuser", False),
            flags.get("is_staff", False),
            flags.get("is_active", True),
            f"{username}@example.org",
        )
        return User(str(rows[0][0]), username)

    def sql(self, sql: str, *values: object) -> list[tuple]:
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.database_url, autocommit=True)
        return rows_of(self.connection, sql, values)

    def disconnect(self) -> None:
        """Closes the connection before the database ends; the next statement connects again."""
        if self.connection:
            self.connection.close()

    def key(self, cookie: str) -> str:
        """The Redis key of a session."""
        if not self.profile.is_django:
            return f"shared_session:{cookie[:24]}"
        return f"{self.profile.prefix}:{self.profile.version}:django.contrib.sessions.{self.profile.engine}{cookie}"

    def value(self, cookie: str) -> bytes | None:
        """The stored session: from the table if there is one, because it is authoritative, otherwise from Redis."""
        if self.profile.uses_table:
            rows = self.sql("SELECT session_data FROM django_session WHERE session_key = %s", cookie)
            return rows[0][0].encode() if rows else None
        return self.redis.get(self.key(cookie))

    def is_stored_anywhere(self, cookie: str) -> bool:
        in_redis = self.profile.uses_redis and self.redis.exists(self.key(cookie))
        return bool(in_redis) or self.value(cookie) is not None

    def seconds_left(self, cookie: str) -> float:
        if self.profile.uses_table:
            sql = "SELECT extract(epoch FROM expire_date - now()) FROM django_session WHERE session_key = %s"
            return float(self.sql(sql, cookie)[0][0])
        return self.redis.pttl(self.key(cookie)) / 1000

    def has_expired(self, cookie: str) -> bool:
        # A copy is written after its row, and so expires after it.
        row_has = not self.profile.uses_table or self.seconds_left(cookie) <= 0
        return row_has and not self.redis.exists(self.key(cookie))

    def spoil(self, cookie: str) -> None:
        """Stores a value that is not a session."""
        if self.profile.uses_table:
            self.sql("UPDATE django_session SET session_data = 'spoilt' WHERE session_key = %s", cookie)
            self.redis.delete(self.key(cookie))
        else:
            self.redis.set(self.key(cookie), b"\x80\x05spoilt", keepttl=True)

    def end(self) -> None:
        for service in self.services.values():
            service.end()
        self.redis.close()
        self.disconnect()


def django_template(postgres: Postgres) -> str:
    """A database with Django's tables, made once."""
    name = "django_template"
    if not postgres.run("postgres", "SELECT 1 FROM pg_database WHERE datname = %s", name):
        postgres.run("postgres", f"CREATE DATABASE {name}")
        env = {"SECRET_KEY": SECRET_KEY, "REDIS_URL": "redis://127.0.0.1:1", "DATABASE_URL": postgres.url(name)}
        manage(env, "migrate", "--verbosity", "0")
    return name


def start_django(env: dict[str, str]) -> Service:
    options = ["--threads", "8", "--bind", "fd://{fd}", "--worker-tmp-dir", "/tmp", "--no-control-socket"]
    command = [program("gunicorn"), *options, "wsgi"]
    # SIGTERM would wait for browsers that keep their connections open.
    return start_python(command, SOURCES / "django_site", env, "/me", stop=signal.SIGQUIT)


def manage(env: dict[str, str], *args: str) -> None:
    command = [sys.executable, "manage.py", *args]
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **env}
    subprocess.run(command, cwd=SOURCES / "django_site", env=env, check=True)


def program(name: str) -> str:
    """A program of the tests' virtual environment."""
    return str(Path(sys.executable).parent / name)


def encoded(password: str) -> str:
    """In Django's format, but cheap to verify."""
    salt = secrets.token_hex(11)
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1000)
    return f"pbkdf2_sha256$1000${salt}${base64.b64encode(found).decode()}"
