"""A service does not treat a visitor as signed out because the store is down."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from clients import Browser
from fleet import Fleet
from servers import Postgres, eventually

At = Callable[..., Any]

ALL = ("django", "fastapi", "site", "api")
RUST = ("site", "api")
# Django answers with 500, or treats the visitor as anonymous and then deletes the cookie.
CAREFUL = ("fastapi", "site", "api")
CHOSEN = ("native", "django-cache", "django-redis-json", "django-db", "django-cached-db")


def is_signed_in(at: At, service: str, cookie: str, username: str) -> bool:
    """False also while the service is still connecting to its store."""
    try:
        return at(service, Browser(cookie)).me() == username
    except AssertionError:
        return False


def assert_asks_to_try_again(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"]
    assert "set-cookie" not in answer.headers


@pytest.mark.profiles(where=lambda profile: profile.name in CHOSEN and profile.uses_redis and not profile.uses_table)
@pytest.mark.each(CAREFUL)
def test_while_redis_is_down_everybody_is_asked_to_try_again(durable_fleet: Fleet, at: At, service: str) -> None:
    user, browser = durable_fleet.new_user(), Browser()
    at(service, browser).login(user)
    cookie, here = browser.cookie, at(service, browser)
    durable_fleet.store.kill()
    try:
        assert_asks_to_try_again(here.send("GET", here.ME))
        write = "GET" if service == "site" else "POST"
        assert_asks_to_try_again(here.send(write, here.VISITS))
    finally:
        durable_fleet.store.start()
    assert browser.cookie == cookie
    eventually(lambda: is_signed_in(at, service, cookie, user.username), "the session is there again")


@pytest.mark.profiles(where=lambda profile: profile.name in CHOSEN and profile.uses_redis)
@pytest.mark.pairs(ALL, ALL)
def test_after_an_outage_of_redis_users_are_still_signed_in(
    durable_fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = durable_fleet.new_user(), Browser()
    at(first, browser).login(user)
    cookie, here = browser.cookie, at(second, browser)
    durable_fleet.store.kill()
    try:
        answer = here.send("GET", here.ME)
    finally:
        durable_fleet.store.start()
    if second in CAREFUL:
        assert answer.status_code in (200, 503)
        assert browser.cookie == cookie
    for service in (first, second):
        eventually(lambda: is_signed_in(at, service, cookie, user.username), f"{service} knows the session again")


@pytest.mark.profiles(where=lambda profile: profile.name in CHOSEN)
@pytest.mark.each(CAREFUL)
def test_while_postgres_is_down_nobody_is_signed_out(
    durable_fleet: Fleet, at: At, postgres: Postgres, service: str
) -> None:
    user, browser = durable_fleet.new_user(), Browser()
    at(service, browser).login(user)
    cookie, here = browser.cookie, at(service, browser)
    durable_fleet.disconnect()
    postgres.kill()
    try:
        assert_asks_to_try_again(here.send("GET", here.ME))
    finally:
        postgres.start()
    assert browser.cookie == cookie
    eventually(lambda: is_signed_in(at, service, cookie, user.username), "the session is there again")


@pytest.mark.profiles(where=lambda profile: profile.name in CHOSEN and profile.uses_redis)
@pytest.mark.each(RUST)
def test_pages_that_need_no_session_are_served_while_redis_is_down(
    durable_fleet: Fleet, at: At, service: str
) -> None:
    here = at(service, Browser("stale"))
    durable_fleet.store.kill()
    try:
        here.send("GET", "/api/public" if service == "api" else "/healthz", 200)
    finally:
        durable_fleet.store.start()
