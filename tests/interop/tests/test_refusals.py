"""A Rust service that does not fit the fleet reports it in one line and does not start."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients import Browser, client

from fleet import Fleet
from profiles import BY_NAME, Profile
from servers import Postgres, Redis, run_rust

RUST = ("site", "api")
WRONG_KEY = {"SECRET_KEY": "django-insecure-but-of-another-deployment"}
REFUSALS = [
    ("django-cache", {"SESSION_KEY_PREFIX": "other"}, "prefix"),
    ("django-cache", {"SESSION_KEY_VERSION": "2"}, "prefix"),
    ("django-cache", {"DJANGO_CODEC": "json"}, "would write JSON"),
    ("django-cache", WRONG_KEY, "secret key"),
    ("django-redis-json", {"DJANGO_CODEC": "pickle"}, "would write pickles"),
    ("django-redis-json", {"SESSION_KEY_PREFIX": ""}, "prefix"),
    ("django-db", WRONG_KEY, "secret key"),
    ("django-cached-db", WRONG_KEY, "secret key"),
    ("django-cached-db", {"SESSION_KEY_PREFIX": "other"}, "prefix"),
]


@pytest.fixture(scope="module")
def signed_in(postgres: Postgres, store: Redis) -> Iterator[Callable[[Profile], Fleet]]:
    """A fleet with one session from a sign-in at Django, and no other data."""
    fleets: dict[str, Fleet] = {}

    def fleet_of(profile: Profile) -> Fleet:
        if profile.name not in fleets:
            fleet = fleets[profile.name] = Fleet(profile, store, postgres, 15 - len(fleets))
            client(fleet, "django", Browser()).login(fleet.new_user())
        return fleets[profile.name]

    yield fleet_of
    for fleet in fleets.values():
        fleet.end()


def contents(fleet: Fleet) -> Any:
    """All stored data."""
    in_redis = {key: fleet.redis.dump(key) for key in fleet.redis.keys()}
    return in_redis, fleet.sql("SELECT * FROM django_session"), fleet.sql("SELECT * FROM auth_user")


@pytest.mark.parametrize("service", RUST)
@pytest.mark.parametrize(
    "name, changes, said", REFUSALS, ids=[f"{name}: {' '.join(changes)}" for name, changes, _ in REFUSALS]
)
def test_a_service_with_a_setting_of_another_fleet_is_refused_and_writes_nothing(
    signed_in: Callable[[Profile], Fleet], service: str, name: str, changes: dict[str, str], said: str
) -> None:
    fleet = signed_in(BY_NAME[name])
    before = contents(fleet)
    ended = run_rust(service, {**fleet.environment(service), **changes})
    assert ended.returncode != 0
    assert "listening" not in ended.stdout
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert said.lower() in ended.stderr.lower()
    assert contents(fleet) == before


@pytest.mark.parametrize("service", RUST)
def test_a_database_without_djangos_tables_is_refused(
    signed_in: Callable[[Profile], Fleet], postgres: Postgres, service: str
) -> None:
    fleet = signed_in(BY_NAME["django-cache"])
    postgres.run("postgres", f"CREATE DATABASE empty_{service}")
    ended = run_rust(service, {**fleet.environment(service), "DATABASE_URL": postgres.url(f"empty_{service}")})
    assert ended.returncode != 0
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "manage.py migrate" in ended.stderr
    assert postgres.run(f"empty_{service}", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


@pytest.mark.parametrize("service", RUST)
@pytest.mark.parametrize("name", ["django-cache", "django-redis-json", "django-db", "django-cached-db"])
def test_a_service_that_fits_starts(signed_in: Callable[[Profile], Fleet], service: str, name: str) -> None:
    fleet = signed_in(BY_NAME[name])
    assert client(fleet, service, Browser()).me() is None
