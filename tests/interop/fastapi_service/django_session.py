"""Django's sessions in a service that is not Django: the engines cache, db and cached_db.

Django itself overwrites a stored session without a check. Our writes compare first, so they never undo a logout and
never lose the write of another service.
"""

import re
import secrets
import string
from collections.abc import Callable

import redis
from django.core.signing import BadSignature, TimestampSigner
from psycopg_pool import ConnectionPool

from django_codec import Codec, Unreadable

COOKIE = re.compile(r"[a-z0-9]{32}")
AGE = 14 * 86_400
SALT = "django.contrib.sessions.SessionStore"
REPLACE = """if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') return 1"""


class Gone(Exception):
    """The session ended while it was written. Answer 409 and set no cookie."""


class CacheSessions:
    """SESSION_ENGINE = "django.contrib.sessions.backends.cache"."""

    engine = "cache"

    def __init__(self, store: redis.Redis, codec: Codec, prefix: str = "", version: str = "1") -> None:
        self.store, self.codec = store, codec
        self.prefix = f"{prefix}:{version}:django.contrib.sessions.{self.engine}"

    def load(self, cookie: str) -> dict | None:
        found = self.read(cookie) if COOKIE.fullmatch(cookie) else None
        return found and found[1]

    def edit(self, cookie: str, change: Callable[[dict], None]) -> dict:
        """Changes the newest entries, and retries if another service wrote in between."""
        while found := self.read(cookie):
            seen, entries = found
            change(entries)
            if self.replace(cookie, seen, entries):
                return entries
        raise Gone

    def read(self, cookie: str) -> tuple[bytes, dict] | None:
        value = self.store.get(self.prefix + cookie)
        return value and (value, self.codec.loads(value))

    def replace(self, cookie: str, seen: bytes, entries: dict) -> bool:
        return bool(self.store.eval(REPLACE, 1, self.prefix + cookie, seen, self.codec.dumps(entries)))

    def create(self, entries: dict) -> str:
        cookie = new_key()
        self.store.set(self.prefix + cookie, self.codec.dumps(entries), nx=True, ex=AGE)
        return cookie

    def delete(self, cookie: str) -> None:
        self.store.delete(self.prefix + cookie)


class DbSessions:
    """SESSION_ENGINE = "django.contrib.sessions.backends.db"."""

    def __init__(self, pool: ConnectionPool, secret_keys: list[str]) -> None:
        self.pool = pool
        self.signer = TimestampSigner(key=secret_keys[0], fallback_keys=secret_keys[1:], salt=SALT)

    load = CacheSessions.load
    edit = CacheSessions.edit

    def read(self, cookie: str) -> tuple[bytes, dict] | None:
        sql = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > now()"
        with self.pool.connection() as database:
            row = database.execute(sql, [cookie]).fetchone()
        try:
            return row and (row[0], self.signer.unsign_object(row[0]))
        except BadSignature as error:
            raise Unreadable("the session is not signed with our key") from error

    def replace(self, cookie: str, seen: bytes, entries: dict) -> bool:
        sql = "UPDATE django_session SET session_data = %s WHERE session_key = %s AND session_data = %s"
        with self.pool.connection() as database:
            return database.execute(sql, [self.signed(entries), cookie, seen]).rowcount == 1

    def create(self, entries: dict) -> str:
        cookie = new_key()
        sql = "INSERT INTO django_session VALUES (%s, %s, now() + make_interval(secs => %s))"
        with self.pool.connection() as database:
            database.execute(sql, [cookie, self.signed(entries), AGE])
        return cookie

    def delete(self, cookie: str) -> None:
        with self.pool.connection() as database:
            database.execute("DELETE FROM django_session WHERE session_key = %s", [cookie])

    def signed(self, entries: dict) -> str:
        return self.signer.sign_object(entries, compress=True)


class CachedDbSessions(CacheSessions):
    """SESSION_ENGINE = "django.contrib.sessions.backends.cached_db": the row is authoritative, the cache has a copy."""

    engine = "cached_db"

    def __init__(self, store: redis.Redis, codec: Codec, rows: DbSessions, **layout: str) -> None:
        super().__init__(store, codec, **layout)
        self.rows = rows

    def load(self, cookie: str) -> dict | None:
        return super().load(cookie) or self.rows.load(cookie)

    def edit(self, cookie: str, change: Callable[[dict], None]) -> dict:
        entries = self.rows.edit(cookie, change)
        # Deletes the copy instead of writing it: with two writers the older entries could stay in the cache.
        super().delete(cookie)
        return entries

    def create(self, entries: dict) -> str:
        return self.rows.create(entries)

    def delete(self, cookie: str) -> None:
        self.rows.delete(cookie)
        super().delete(cookie)


def new_key() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(32))
