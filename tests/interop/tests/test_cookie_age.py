"""How long the browser keeps the cookie: the services use the same value as Django."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from clients import COOKIE_NAME, Browser
from fleet import Fleet, User

At = Callable[..., Any]

RUST = ("site", "api")
DEFAULT = 1209600
KEPT = object()


def age(answer: requests.Response) -> Any:
    """Of the session cookie: seconds, `None` until the browser is closed, `KEPT` if it is not set."""
    lines = [line for line in answer.raw.headers.getlist("set-cookie") if line.startswith(COOKIE_NAME + "=")]
    if not lines:
        return KEPT
    attributes = dict(part.strip().lower().partition("=")[::2] for part in lines[-1].split(";")[1:])
    return int(attributes["max-age"]) if "max-age" in attributes else None


def login(client: Any, user: User) -> requests.Response:
    fields = {"username": user.username, "password": user.password}
    if client.LOGIN == "/login":
        return client.submit("/login", "/login", **fields)
    return client.send("POST", client.LOGIN, 200, json=fields)


def write(client: Any) -> requests.Response:
    """Stores a value."""
    return client.send("GET" if client.VISITS == "/" else "POST", client.VISITS, 200, json={})


def each_engine(profile: Any) -> bool:
    return profile.name in ("django-cache", "django-redis-json", "django-db", "django-cached-db")


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(("django",), RUST)
@pytest.mark.parametrize("expiry", [77, 0, None])
@pytest.mark.parametrize("setting", ["", "True"])
def test_the_cookie_is_kept_as_long_as_django_would_have_it(
    fleet: Fleet, at: At, first: str, second: str, expiry: int | None, setting: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    settings = {"SESSION_EXPIRE_AT_BROWSER_CLOSE": setting} if setting else {}
    django, ours = at(first, browser, **settings), at(second, browser, **settings)
    answer = login(django, user)
    if expiry is not None:
        answer = django.send("PUT", "/expiry", 200, json=expiry)
    said = age(answer)
    assert said == {77: 77, 0: None, None: None if setting else DEFAULT}[expiry]
    # A sign-in moves the session to another key.
    assert age(login(ours, user)) == said
    assert age(write(ours)) in ((said, KEPT) if said is None else (said,))
    assert age(login(django, user)) == said
    assert django.me() == ours.me() == user.username
    lives = said or DEFAULT
    assert lives - 60 < fleet.seconds_left(browser.cookie) <= lives


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(("django",), RUST)
def test_reading_extends_session_and_cookie_where_every_request_is_saved(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    for changes, expected in (({}, KEPT), ({"SESSION_SAVE_EVERY_REQUEST": "True"}, 300)):
        django, ours = at(first, browser, **changes), at(second, browser, **changes)
        login(django, user)
        django.send("PUT", "/expiry", 200, json=300)
        for client in (django, ours):
            answer = client.send("GET", client.ME, 200)
            assert age(answer) == expected, answer.headers


REMEMBERED = 90 * 86_400


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(RUST, ("django",))
def test_django_reads_the_wish_to_stay_signed_in(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    ours, django = at(first, browser), at(second, browser)

    def sign_in(remember: bool) -> requests.Response:
        fields: dict[str, Any] = {"username": user.username, "password": user.password}
        if first == "site":
            return ours.submit("/login", "/login", **fields, **({"remember": "on"} if remember else {}))
        return ours.send("POST", ours.LOGIN, 200, json={**fields, "remember": remember})

    def said_by_django() -> dict[str, Any]:
        return django.send("GET", "/expiry", 200).json()

    assert age(sign_in(True)) == REMEMBERED
    assert said_by_django() == {"age": REMEMBERED, "closes": False}
    assert REMEMBERED - 60 < fleet.seconds_left(browser.cookie) <= REMEMBERED
    # A sign-in without the choice keeps the age, like Django's own sign-in.
    assert age(login(ours, user)) == age(login(django, user)) == REMEMBERED
    if first == "api":
        assert age(sign_in(False)) is None
        assert said_by_django() == {"age": DEFAULT, "closes": True}
    # Django resets it.
    # Not `json=None`: requests sends no body for it.
    django.send("PUT", "/expiry", 200, data="null", headers={"content-type": "application/json"})
    assert age(write(ours)) == DEFAULT
    assert said_by_django() == {"age": DEFAULT, "closes": False}
