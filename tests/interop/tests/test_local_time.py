"""A Django site with `USE_TZ = False`, the default before Django 5.0: it stores local times of its zone.

In Redis these are the ends given to `set_expiry`, in SQLite all times.
"""

import datetime
import shutil
import signal
import sqlite3
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Api, Browser, Django
from fleet import COUNTER, PASSWORD, SECRET_KEY, Fleet, User, encoded, manage, start_django
from profiles import ENGINES
from servers import Redis, Service, run_rust, start_rust

ENGINE = {"cache": "django-cache", "db": "django-db", "cached_db": "django-cached-db"}
# West and east of Greenwich, and a zone whose clocks change in other weeks.
CASES = [
    ("cache", "America/New_York"),
    ("cache", "Asia/Shanghai"),
    ("db", "America/New_York"),
    ("db", "Asia/Shanghai"),
    ("db", "Europe/Berlin"),
    ("cached_db", "America/New_York"),
]
FORTNIGHT = 14 * 86_400


class Site:
    """Django and the stores that it shares with `api`: a SQLite file, and Redis."""

    def __init__(self, directory: Path, store: Redis, engine: str, use_tz: bool, zone: str) -> None:
        self.engine, self.use_tz, self.zone = engine, use_tz, zone
        self.redis_url = f"{store.url}/14"
        store.client.execute_command("FLUSHALL")
        self.file = shutil.copy(directory / "template.sqlite3", directory / f"{next(COUNTER)}.sqlite3")
        self.services: list[Service] = []
        self.user = User("1", "ann")
        columns = "id, password, username, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined"
        values = (1, encoded(PASSWORD), "ann", False, False, True, "", "", "", "2024-01-01 00:00:00")
        self.sql(f"INSERT INTO auth_user ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)
        env = {
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": f"sqlite://{self.file}",
            "REDIS_URL": self.redis_url,
            "FAST_PASSWORDS": "1",
            "SESSION_ENGINE": ENGINES + engine,
            "USE_TZ": str(int(use_tz)),
            "TIME_ZONE": zone,
        }
        self.django_url = self.started(start_django(env))

    def started(self, service: Service) -> str:
        self.services.append(service)
        return service.url

    def api_environment(self, zone: str) -> dict[str, str]:
        file = f"sqlite://{self.file}"
        return {
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": file,
            "SESSION_URL": file if self.engine == "db" else self.redis_url,
            "SESSION_PROFILE": ENGINE[self.engine],
            "DJANGO_TIME_ZONE": zone,
        }

    def sql(self, sql: str, *values: object) -> list[tuple]:
        with sqlite3.connect(self.file, timeout=10) as connection:
            return connection.execute(sql, values).fetchall()

    def rows(self) -> list[datetime.timedelta]:
        """The remaining time of each session, according to its row."""
        rows = self.sql("SELECT expire_date FROM django_session")
        zone = zoneinfo.ZoneInfo(self.zone)
        now = datetime.datetime.now(zone)
        return [datetime.datetime.fromisoformat(ends).replace(tzinfo=zone) - now for (ends,) in rows]

    def end(self) -> None:
        for service in self.services:
            # Otherwise they wait for browsers that keep their connections open.
            service.process.end(signal.SIGKILL)
            service.end()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a file that has Django's tables."""
    directory = tmp_path_factory.mktemp("local-time")
    env = {"SECRET_KEY": SECRET_KEY, "REDIS_URL": "redis://127.0.0.1:1"}
    env["DATABASE_URL"] = f"sqlite://{directory / 'template.sqlite3'}"
    manage(env, "migrate", "--verbosity", "0")
    return directory


@pytest.fixture
def site(directory: Path, store: Redis, request: pytest.FixtureRequest) -> Iterator[Site]:
    engine, use_tz, zone = request.param
    site = Site(directory, store, engine, use_tz, zone)
    yield site
    site.end()


def sites(*cases: tuple[str, bool, str]) -> Any:
    ids = [f"{engine}, {zone}{', USE_TZ' if use_tz else ''}" for engine, use_tz, zone in cases]
    return pytest.mark.parametrize("site", cases, indirect=True, ids=ids)


@sites(*((engine, False, zone) for engine, zone in CASES))
def test_both_see_each_others_sessions_until_they_end(site: Site) -> None:
    browser = Browser()
    django = Django(site.django_url, browser)
    api = Api(site.started(start_rust("api", site.api_environment(site.zone))), browser)

    # A session from Django, with the time from the settings; edited by our service.
    django.login(site.user)
    assert api.me() == "ann"
    api.write("a", 1)
    assert (django.me(), django.read("a")) == ("ann", 1)

    # A session that ends at a local time.
    django.send("PUT", "/expiry", 200, json={"in": 600})
    assert api.me() == "ann"
    ends = api.send("GET", "/api/session", 200).json()["expires_at"]
    left = datetime.datetime.fromisoformat(ends.replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert 500 < left.total_seconds() <= 600
    api.write("b", 2)
    assert (django.me(), django.read("b")) == ("ann", 2)
    assert 500 < django.send("GET", "/expiry", 200).json()["age"] <= 600
    assert api.count() == 1

    # A session from our service, for Django.
    other = Browser()
    Api(api.url, other).login(site.user)
    assert Django(site.django_url, other).me() == "ann"
    Django(site.django_url, other).write("c", 3)
    assert Api(api.url, other).read("c") == 3
    if site.engine != "cache":
        assert sorted(map(round_to_hours, site.rows())) == [0, FORTNIGHT // 3600]

    # A session that has ended.
    django.send("PUT", "/expiry", 200, json={"in": -1})
    assert (django.me(), api.me()) == (None, None)


@pytest.mark.profiles(where=lambda profile: profile.name in ("django-db", "django-redis-json"))
def test_in_postgres_only_the_expiry_of_set_expiry_is_local(fleet: Fleet, at: Any) -> None:
    user, browser, zone = fleet.new_user(), Browser(), "Asia/Shanghai"
    django = at("django", browser, USE_TZ="0", TIME_ZONE=zone)
    api = at("api", browser, DJANGO_TIME_ZONE=zone)
    api.login(user)
    assert django.me() == user.username
    django.send("PUT", "/expiry", 200, json={"in": 600})
    api.write("a", 1)
    assert (django.me(), django.read("a"), api.me()) == (user.username, 1, user.username)
    assert 500 < fleet.seconds_left(browser.cookie) <= 600
    # The fleet is shared: the next service that starts on it checks its sessions, and has no time zone.
    api.logout()
    assert fleet.value(browser.cookie) is None


def round_to_hours(left: datetime.timedelta) -> int:
    return round(left.total_seconds() / 3600)


@sites(("cache", False, "America/New_York"), ("db", False, "America/New_York"), ("db", True, "Asia/Shanghai"))
def test_a_service_that_reads_times_in_another_zone_does_not_start(site: Site) -> None:
    name = "site" if site.use_tz else "api"
    django = Django(site.django_url, Browser())
    django.login(site.user)
    if site.engine == "cache":
        django.send("PUT", "/expiry", 200, json={"in": 600})
    right, wrong = ("", site.zone) if site.use_tz else (site.zone, "")
    ended = run_rust(name, site.api_environment(wrong))
    assert ended.returncode != 0 and "listening" not in ended.stdout
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "DJANGO_TIME_ZONE" in ended.stderr
    site.started(start_rust(name, site.api_environment(right)))
    assert django.me() == "ann"
