"""The storage profiles, with the settings of every service."""

import json
from dataclasses import dataclass, field
from typing import Any

ENGINES = "django.contrib.sessions.backends."
REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


@dataclass(frozen=True)
class Profile:
    name: str
    # SESSION_PROFILE of the services in Rust, and of the one in FastAPI.
    session_profile: str
    services: tuple[str, ...] = ("django", "fastapi", "site", "api")
    # Django's settings.
    engine: str = "cache"
    backend: str = REDIS_CACHE
    options: dict[str, Any] = field(default_factory=dict)
    # The same settings for the other services.
    codec: str = "pickle"
    compressor: str = ""
    prefix: str = ""
    version: str = "1"

    @property
    def is_django(self) -> bool:
        return self.session_profile != "native"

    @property
    def uses_redis(self) -> bool:
        return self.engine != "db"

    @property
    def uses_table(self) -> bool:
        return self.engine in ("db", "cached_db")

    @property
    def keeps_python_objects(self) -> bool:
        return self.is_django and self.engine == "cache" and self.codec == "pickle"

    def django_environment(self) -> dict[str, str]:
        return {
            "SESSION_ENGINE": ENGINES + self.engine,
            "CACHE_BACKEND": self.backend,
            "CACHE_OPTIONS": json.dumps(self.options),
            "KEY_PREFIX": self.prefix,
            "KEY_VERSION": self.version,
        }

    def fastapi_environment(self) -> dict[str, str]:
        return {
            "SESSION_PROFILE": self.session_profile,
            "DJANGO_CODEC": self.codec,
            "DJANGO_COMPRESSOR": self.compressor,
            "KEY_PREFIX": self.prefix,
            "KEY_VERSION": self.version,
        }

    def rust_environment(self) -> dict[str, str]:
        if not self.is_django:
            return {"SESSION_PROFILE": self.session_profile}
        return {
            "SESSION_PROFILE": self.session_profile,
            "SESSION_KEY_PREFIX": self.prefix,
            "SESSION_KEY_VERSION": self.version,
            "DJANGO_CODEC": self.codec,
        }


def django_redis(name: str, **changes: Any) -> Profile:
    return Profile(f"django-redis-{name}", "django-redis", backend=DJANGO_REDIS, **changes)


def compressed(name: str, compressor: str) -> Profile:
    path = f"django_redis.compressors.{name}.{compressor}"
    return django_redis(name, compressor=name, options={"COMPRESSOR": path})


PROFILES = [
    Profile("native", "native", services=("fastapi", "site", "api")),
    Profile("django-cache", "django-cache"),
    django_redis("pickle"),
    django_redis(
        "json",
        codec="json",
        options={"SERIALIZER": "django_redis.serializers.json.JSONSerializer"},
        prefix="fleet",
        version="7",
    ),
    django_redis(
        "msgpack", codec="msgpack", options={"SERIALIZER": "django_redis.serializers.msgpack.MSGPackSerializer"}
    ),
    compressed("zlib", "ZlibCompressor"),
    compressed("gzip", "GzipCompressor"),
    compressed("lzma", "LzmaCompressor"),
    compressed("lz4", "Lz4Compressor"),
    compressed("zstd", "ZStdCompressor"),
    Profile("django-db", "django-db", engine="db"),
    Profile("django-cached-db", "django-cached-db", engine="cached_db"),
]

BY_NAME = {profile.name: profile for profile in PROFILES}
