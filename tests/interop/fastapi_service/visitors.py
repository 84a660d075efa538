"""One visitor of the service, with a session in any format."""

from collections.abc import Callable
from typing import Protocol

from django_session import CachedDbSessions, CacheSessions, DbSessions
from native_session import NativeSessions
from users import User, Users, django_mark, native_mark

Change = Callable[[dict], object]
BACKEND = "django.contrib.auth.backends.ModelBackend"


class Visitor(Protocol):
    entries: dict

    def user(self) -> User | None: ...

    def edit(self, change: Change) -> str | None:
        """Stores a change of the entries. Returns the cookie if this starts a session."""

    def login(self, user: User) -> str:
        """Returns the new cookie."""

    def logout(self) -> None: ...


class NativeVisitor:
    def __init__(self, sessions: NativeSessions, users: Users, cookie: str) -> None:
        self.sessions, self.users, self.cookie = sessions, users, cookie
        self.record = sessions.load(cookie)
        self.entries = self.record["e"] if self.record else {}

    def user(self) -> User | None:
        identity = self.record and self.record["u"]
        user = identity and self.users.of_session(identity["id"], identity["hash"], native_mark)
        return user if user and self.users.epoch(user.id) == identity["epoch"] else None

    def edit(self, change: Change) -> str | None:
        if self.record is None:
            change(self.entries)
            return self.sessions.create(self.entries)
        self.entries = self.sessions.edit(self.cookie, self.record, lambda record: change(record["e"]))["e"]
        return None

    def login(self, user: User) -> str:
        mark = native_mark(user, self.users.secret_keys[0])
        identity = {"id": user.id, "hash": mark, "epoch": self.users.epoch(user.id)}
        return self.sessions.login(self.cookie, self.record, identity)

    def logout(self) -> None:
        if self.record:
            self.sessions.delete(self.cookie, self.record)


class DjangoVisitor:
    def __init__(self, sessions: CacheSessions | DbSessions | CachedDbSessions, users: Users, cookie: str) -> None:
        self.sessions, self.users, self.cookie = sessions, users, cookie
        self.found = sessions.load(cookie)
        self.entries = self.found or {}

    def user(self) -> User | None:
        entries = self.entries
        if "_auth_user_id" not in entries or entries.get("_auth_user_backend") != BACKEND:
            return None
        return self.users.of_session(entries["_auth_user_id"], entries.get("_auth_user_hash", ""), django_mark)

    def edit(self, change: Change) -> str | None:
        if self.found is None:
            change(self.entries)
            return self.sessions.create(self.entries)
        self.entries = self.sessions.edit(self.cookie, change)
        return None

    def login(self, user: User) -> str:
        """Like Django: a new key with the entries of an anonymous visitor, but not with those of another user."""
        kept = self.entries if self.entries.get("_auth_user_id", user.id) == user.id else {}
        mark = django_mark(user, self.users.secret_keys[0])
        marks = {"_auth_user_id": user.id, "_auth_user_backend": BACKEND, "_auth_user_hash": mark}
        cookie = self.sessions.create({**kept, **marks})
        self.logout()
        return cookie

    def logout(self) -> None:
        if self.found is not None:
            self.sessions.delete(self.cookie)
