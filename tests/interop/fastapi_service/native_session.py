"""Sessions of shared-session in Python, as `docs/wire-format.md` requires. Needs only redis-py.

An error of the store, or of a record, is raised as it is: answer 503 or 500, and never treat it as "not signed in".
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable

import redis

COOKIE = re.compile(r"[A-Za-z0-9_-]{56}")
IDLE, ABSOLUTE = 14 * 86_400_000, 90 * 86_400_000
REPLACE = """if redis.call('GETRANGE', KEYS[1], 12, 58) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"""
DELETE = "return redis.call('GETRANGE', KEYS[1], 66, 108) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class Gone(Exception):
    """The session ended, or became another user's, while it was written. Answer 409 and set no cookie."""


class NativeSessions:
    def __init__(self, store: redis.Redis, prefix: str = "shared_session:") -> None:
        self.store, self.prefix = store, prefix

    def load(self, cookie: str) -> dict | None:
        record = json.loads(self.store.get(self.key(cookie)) or "null") if COOKIE.fullmatch(cookie) else None
        if record and record["v"] != 1:
            raise ValueError("a session of a format that this service does not know")
        is_secret = record and hmac.compare_digest(record["s"], digest(cookie))
        return record if is_secret and self.now() < deadline(record) else None

    def edit(self, cookie: str, record: dict, change: Callable[[dict], None]) -> dict:
        """Changes the newest record, and retries if another service wrote in between."""
        user = record["u"]
        while record and record["u"] == user:
            seen = f'{record["n"]}","t":"{record["t"]}'
            record |= {"n": f'{int(record["n"], 16) + 1:016x}', "t": secrets.token_urlsafe(18), "k": self.now()}
            change(record)
            if self.store.eval(REPLACE, 1, self.key(cookie), seen, dumps(record), deadline(record) - record["k"]):
                return record
            record = self.load(cookie)
        raise Gone

    def create(self, entries: dict, user: dict | None = None) -> str:
        """Starts a session and returns its cookie."""
        cookie, now = secrets.token_urlsafe(42), self.now()
        record = {"v": 1, "n": f"{1:016x}", "t": secrets.token_urlsafe(18), "s": digest(cookie), "r": 0, "c": now}
        record |= {"k": now, "i": IDLE, "x": now + ABSOLUTE, "u": user, "d": {}, "e": entries}
        if user:
            self.index(cookie, user, record["x"])
        self.store.set(self.key(cookie), dumps(record), nx=True, px=IDLE)
        return cookie

    def login(self, cookie: str, record: dict | None, user: dict) -> str:
        """Signs in and returns the new cookie. An anonymous visitor's entries stay; another user's session ends."""
        if record and record["u"] and record["u"]["id"] != user["id"]:
            self.delete(cookie, record)
            record = None
        if not record:
            return self.create({}, user)
        rotated, until = cookie[:24] + secrets.token_urlsafe(24), self.now() + ABSOLUTE
        self.index(cookie, user, until)

        def take_over(new: dict) -> None:
            new.pop("o", None)
            new.update(s=digest(rotated), r=new["k"], u=user, i=IDLE, x=until)

        self.edit(cookie, record, take_over)
        return rotated

    def delete(self, cookie: str, record: dict) -> None:
        self.store.eval(DELETE, 1, self.key(cookie), record["s"])

    def index(self, cookie: str, user: dict, until: int) -> None:
        """Adds the session to its user's list, so that "sign out everywhere" finds it."""
        name = f'{self.prefix}user:{user["id"]}'
        self.store.zadd(name, {cookie[:24]: until}, gt=True)
        self.store.expire(name, ABSOLUTE // 1000)

    def key(self, cookie: str) -> str:
        return self.prefix + cookie[:24]

    def now(self) -> int:
        seconds, microseconds = self.store.time()
        return seconds * 1000 + microseconds // 1000


def digest(cookie: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(cookie[24:].encode()).digest()).rstrip(b"=").decode()


def deadline(record: dict) -> int:
    return min(record["k"] + record["i"], record["x"])


def dumps(record: dict) -> str:
    return json.dumps(record, separators=(",", ":"))
