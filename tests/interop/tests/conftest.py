"""Selects the tests: for each profile, every pair of services that supports what the test needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from clients import Browser, client
from fleet import Fleet
from profiles import BY_NAME, PROFILES, Profile
from servers import Postgres, Redis

SERVICES = ["django", "fastapi", "site", "api"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--services", default=",".join(SERVICES), help="only pairs of these services")
    parser.addoption("--profiles", default=",".join(BY_NAME), help="only these profiles")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(first, second): once for each profile and each such pair of services")
    config.addinivalue_line("markers", "each(services): once for each profile and each of these services")
    config.addinivalue_line("markers", "profiles(where): only profiles of which this holds")


def pytest_report_header(config: pytest.Config) -> str:
    import django

    lines = [f"django {django.__version__}"]
    for option, all_of_them in (("services", SERVICES), ("profiles", list(BY_NAME))):
        left_out = [name for name in all_of_them if name not in config.getoption(option).split(",")]
        if left_out:
            lines.append(f"LEFT OUT by --{option}: {', '.join(left_out)}")
    return "\n".join(lines)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    profiles = [BY_NAME[name] for name in metafunc.config.getoption("profiles").split(",")]
    for marker in metafunc.definition.iter_markers("profiles"):
        profiles = [profile for profile in profiles if marker.kwargs["where"](profile)]
    chosen = metafunc.config.getoption("services").split(",")
    pairs = metafunc.definition.get_closest_marker("pairs")
    each = metafunc.definition.get_closest_marker("each")
    if pairs:
        cells = [
            pytest.param(profile, first, second, id=f"{profile.name}: {first}, {second}")
            for profile in profiles
            for first in profile.services
            for second in profile.services
            if first in pairs.args[0] and second in pairs.args[1] and {first, second} <= set(chosen)
        ]
        metafunc.parametrize("profile, first, second", cells)
    elif each:
        cells = [
            pytest.param(profile, service, id=f"{profile.name}: {service}")
            for profile in profiles
            for service in profile.services
            if service in each.args[0] and service in chosen
        ]
        metafunc.parametrize("profile, service", cells)
    elif "profile" in metafunc.fixturenames:
        metafunc.parametrize("profile", profiles, ids=lambda profile: profile.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders tests by profile, so that only one fleet runs at a time, and keeps each profile in one process."""
    # For a test without a cell (`--services`), pytest adds one that skips itself.
    items[:] = [item for item in items if "NOTSET" not in item.nodeid]
    items.sort(key=lambda item: (order(item), "durable_fleet" in item.fixturenames))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(order(item))))


def order(item: pytest.Item) -> int:
    callspec = getattr(item, "callspec", None)
    profile = callspec.params.get("profile") if callspec else None
    return PROFILES.index(profile) if profile else -1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds the services' output to a failure."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    fleet = arguments.get("fleet") or arguments.get("durable_fleet")
    if report.when == "call" and report.failed and fleet:
        for name, service in fleet.services.items():
            report.sections.append((f"Last words of {name}", service.process.output()[-3000:]))
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.end()


@pytest.fixture(scope="session")
def store() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.end()


@pytest.fixture(scope="session")
def durable_store() -> Iterator[Redis]:
    server = Redis(durable=True)
    yield server
    server.end()


class Fleets:
    """The running fleet."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.current: Fleet | None = None

    def of(self, profile: Profile, store: Redis) -> Fleet:
        if self.current is None or (self.current.profile, self.current.store) != (profile, store):
            self.end()
            self.current = Fleet(profile, store, self.postgres, PROFILES.index(profile))
        return self.current

    def end(self) -> None:
        if self.current:
            self.current.end()
            self.current = None


@pytest.fixture(scope="session")
def fleets(postgres: Postgres) -> Iterator[Fleets]:
    fleets = Fleets(postgres)
    yield fleets
    fleets.end()


@pytest.fixture
def fleet(fleets: Fleets, profile: Profile, store: Redis) -> Fleet:
    return fleets.of(profile, store)


@pytest.fixture
def durable_fleet(fleets: Fleets, profile: Profile, durable_store: Redis) -> Fleet:
    """A fleet whose Redis keeps its data when it is killed."""
    return fleets.of(profile, durable_store)


@pytest.fixture
def at(request: pytest.FixtureRequest) -> Any:
    """`at("django", browser)`: the browser at that service of the fleet."""
    durable = "durable_fleet" in request.fixturenames
    fleet = request.getfixturevalue("durable_fleet" if durable else "fleet")
    return lambda name, browser, **changes: client(fleet, name, browser, **changes)
