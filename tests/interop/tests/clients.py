"""A browser's requests to each service, under common names."""

import html
import json
import re
from typing import Any

import requests

from fleet import Fleet, User

COOKIE_NAME = "shared_session_id"
MISSING = object()
PATIENCE = 60


class Browser:
    """One browser. Cookies ignore ports, so every service on this host gets the same one."""

    def __init__(self, cookie: str | None = None) -> None:
        self.http = requests.Session()
        self.http.trust_env = False
        if cookie is not None:
            self.http.cookies.set(COOKIE_NAME, cookie, domain="127.0.0.1", path="/")

    @property
    def cookie(self) -> str | None:
        return self.http.cookies.get(COOKIE_NAME)

    def with_the_same_cookie(self) -> "Browser":
        """A copy that does not receive later cookies of the original."""
        return Browser(self.cookie)

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        return self.http.request(method, url, allow_redirects=False, timeout=PATIENCE, **options)


class Client:
    """A browser at a service. Statuses that are not expected are errors."""

    def __init__(self, url: str, browser: Browser) -> None:
        self.url, self.browser = url, browser

    def send(self, method: str, path: str, *expected: int, **options: Any) -> requests.Response:
        answer = self.browser.send(method, self.url + path, **options)
        if expected and answer.status_code not in expected:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def me(self) -> str | None:
        """The name of the signed-in user."""
        account = self.account()
        return account and account["username"]

    def account(self) -> dict[str, Any] | None:
        answer = self.send("GET", self.ME, 200, 401)
        return answer.json() if answer.status_code == 200 else None

    def login(self, user: User) -> None:
        self.send("POST", self.LOGIN, 200, json={"username": user.username, "password": user.password})

    def read(self, name: str) -> Any:
        answer = self.send("GET", self.ENTRY + name, 200, 404)
        return answer.json() if answer.status_code == 200 else MISSING

    def write(self, name: str, value: Any) -> None:
        # Not `json=value`: requests sends no body for None.
        headers = {"content-type": "application/json"}
        self.send("PUT", self.ENTRY + name, 204, data=json.dumps(value), headers=headers)

    def remove(self, name: str) -> None:
        # Django's view accepts only JSON, even without data.
        self.send("DELETE", self.ENTRY + name, 204, json={})

    def logout(self) -> None:
        self.send("POST", self.LOGOUT, 204, json={})

    def count(self) -> int:
        return self.send("POST", self.VISITS, 200, json={}).json()["visits"]


class Django(Client):
    ME, LOGIN, LOGOUT, VISITS, ENTRY = "/me", "/login.json", "/logout", "/visits", "/session/pref."

    def change_password(self, user: User, password: str) -> User:
        self.send("POST", "/password", 204, json={"password": password})
        return User(user.id, user.username, password)


class FastApi(Client):
    ME, LOGIN, LOGOUT, VISITS, ENTRY = "/me", "/login", "/logout", "/visits", "/session/pref."


class Api(Client):
    ME, LOGIN, LOGOUT = "/api/me", "/api/login", "/api/logout"
    VISITS, ENTRY = "/api/visits", "/api/preferences/"


class Site(Client):
    """Pages and forms."""

    ME, LOGIN, LOGOUT, VISITS = "/profile", "/login", "/logout", "/"

    def account(self) -> dict[str, Any] | None:
        answer = self.send("GET", "/profile", 200, 303)
        return {"username": found(r"<h1>(.*?)</h1>", answer.text)} if answer.status_code == 200 else None

    def login(self, user: User) -> None:
        self.submit("/login", "/login", username=user.username, password=user.password)

    def logout(self) -> None:
        page = self.send("GET", "/", 200)
        token = re.search(TOKEN, page.text)
        # Without a session the page does not have this form.
        self.send("POST", "/logout", 303, data={"csrfmiddlewaretoken": token[1]} if token else {})

    def count(self) -> int:
        return int(found(r'id="visits">(\d+)<', self.send("GET", "/", 200).text))

    def read(self, name: str) -> Any:
        """The theme is the only preference that pages show."""
        assert name == "theme"
        theme = re.search(r'<html[^>]* data-theme="(\w+)"', self.send("GET", "/", 200).text)
        return theme[1] if theme else MISSING

    def change_password(self, user: User, password: str) -> User:
        fields = {"old_password": user.password, "new_password1": password, "new_password2": password}
        self.submit("/password", "/password", **fields)
        return User(user.id, user.username, password)

    def token(self, page: str) -> str:
        return found(TOKEN, self.send("GET", page, 200).text)

    def submit(self, page: str, target: str, **fields: str) -> requests.Response:
        return self.send("POST", target, 303, data={"csrfmiddlewaretoken": self.token(page), **fields})


TOKEN = r'name="csrfmiddlewaretoken" value="([^"]+)"'
KINDS: dict[str, type[Client]] = {"django": Django, "fastapi": FastApi, "site": Site, "api": Api}


def client(fleet: Fleet, name: str, browser: Browser, **changes: str) -> Any:
    """The browser at a service, or at one with other settings."""
    return KINDS[name](fleet.url(name, **changes), browser)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.DOTALL)
    if not match:
        raise AssertionError(f"no {pattern} in {text[:2000]}")
    return html.unescape(match[1])
