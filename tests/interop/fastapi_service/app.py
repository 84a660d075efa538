"""A FastAPI service behind the login of other services: `uvicorn app:app`.

SESSION_PROFILE selects the sessions: `native` (native_session.py), or `django-cache`, `django-redis`, `django-db`,
`django-cached-db` (django_session.py).
"""

import os
from collections.abc import Callable
from typing import Annotated, Any

import psycopg
import redis
from fastapi import Body, Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from psycopg_pool import ConnectionPool, PoolTimeout

import django_session
import native_session
from django_codec import Codec
from users import Users
from visitors import DjangoVisitor, NativeVisitor, Visitor

COOKIE_NAME = "shared_session_id"
SECRET_KEYS = [os.environ["SECRET_KEY"], *filter(None, os.environ.get("SECRET_KEY_FALLBACKS", "").split(","))]
DATABASE = ConnectionPool(os.environ["DATABASE_URL"], timeout=5, check=ConnectionPool.check_connection, open=True)
PROFILE = os.environ.get("SESSION_PROFILE", "native")
STORE = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=5)
users = Users(DATABASE, SECRET_KEYS)


def opener() -> Callable[[str], Visitor]:
    """Returns the function that turns a cookie into a visitor."""
    if PROFILE == "native":
        native = native_session.NativeSessions(STORE)
        return lambda cookie: NativeVisitor(native, users, cookie)
    codec = Codec(os.environ.get("DJANGO_CODEC", "pickle"), os.environ.get("DJANGO_COMPRESSOR", ""))
    layout = {"prefix": os.environ.get("KEY_PREFIX", ""), "version": os.environ.get("KEY_VERSION", "1")}
    rows = django_session.DbSessions(DATABASE, SECRET_KEYS)
    cache = django_session.CacheSessions(STORE, codec, **layout)
    cached_rows = django_session.CachedDbSessions(STORE, codec, rows, **layout)
    django = {"django-cache": cache, "django-redis": cache, "django-db": rows, "django-cached-db": cached_rows}[PROFILE]
    return lambda cookie: DjangoVisitor(django, users, cookie)


open_visitor = opener()
app = FastAPI(title="A neighbour of shared-session")


def visitor(response: Response, shared_session_id: Annotated[str, Cookie()] = "") -> Visitor:
    """The visitor. Reading never sets a cookie, so an unknown cookie gets none in the answer."""
    response.headers["Vary"] = "Cookie"
    return open_visitor(shared_session_id)


Someone = Annotated[Visitor, Depends(visitor)]


@app.post("/login")
def login(
    response: Response, someone: Someone, username: Annotated[str, Body()], password: Annotated[str, Body()]
) -> Any:
    user = users.authenticate(username, password)
    if user is None:
        raise HTTPException(401, "wrong user name or password")
    set_cookie(response, someone.login(user))
    return {"username": user.username}


@app.post("/logout", status_code=204)
def logout(response: Response, someone: Someone) -> None:
    someone.logout()
    response.delete_cookie(COOKIE_NAME)


@app.get("/me")
def me(someone: Someone) -> Any:
    user = someone.user()
    if user is None:
        raise HTTPException(401, "not signed in")
    groups, permissions = users.groups_and_permissions(user)
    shown = {name: getattr(user, name) for name in ("id", "username", "email", "is_staff", "is_superuser")}
    return {**shown, "groups": groups, "permissions": permissions}


@app.get("/session/{name}")
def entry(someone: Someone, name: str) -> Any:
    if name not in someone.entries:
        raise HTTPException(404, "no such entry")
    return JSONResponse(someone.entries[name])


@app.put("/session/{name}", status_code=204)
def set_entry(response: Response, someone: Someone, name: str, value: Annotated[Any, Body()]) -> None:
    set_cookie(response, someone.edit(lambda entries: entries.update({name: value})))


@app.delete("/session/{name}", status_code=204)
def remove_entry(someone: Someone, name: str) -> None:
    if name in someone.entries:
        someone.edit(lambda entries: entries.pop(name, None))


@app.post("/visits")
def visits(response: Response, someone: Someone) -> Any:
    set_cookie(response, someone.edit(lambda entries: entries.update(visits=entries.get("visits", 0) + 1)))
    return {"visits": someone.entries["visits"]}


def set_cookie(response: Response, value: str | None) -> None:
    """`None` keeps the browser's cookie."""
    if value is not None:
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(COOKIE_NAME, value, max_age=14 * 86_400, httponly=True, samesite="lax")


@app.exception_handler(redis.ConnectionError)
@app.exception_handler(redis.TimeoutError)
@app.exception_handler(psycopg.OperationalError)
@app.exception_handler(PoolTimeout)
def store_is_down(_request: Request, _error: Exception) -> Response:
    """The service cannot know the user while the store is down: no 401, no cookie."""
    return JSONResponse({"detail": "try again"}, 503, headers={"Retry-After": "1"})


@app.exception_handler(native_session.Gone)
@app.exception_handler(django_session.Gone)
def session_is_gone(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "the session has ended"}, 409)


@app.exception_handler(ValueError)
def session_is_unreadable(_request: Request, _error: Exception) -> Response:
    """Other services may be able to read it, so it is not changed."""
    return JSONResponse({"detail": "the session cannot be read"}, 500)
