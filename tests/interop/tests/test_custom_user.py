"""A Django site with a user model of its own (`AUTH_USER_MODEL`): a UUID is the key, and members sign in with their
address. In PostgreSQL the key is a `uuid`, in SQLite Django stores it as 32 hexadecimal digits."""

from collections.abc import Iterator

import pytest

from clients import KINDS, Browser, Client
from fleet import COUNTER, PASSWORD, SECRET_KEY, User, manage, start_django
from profiles import ENGINES
from servers import Postgres, Redis, Service, start_rust

MODEL = {"AUTH_USER_MODEL": "members.Member"}
# The same model in the settings of the services in Rust.
TABLE = {"AUTH_USER_TABLE": "members_member", "AUTH_USERNAME_FIELD": "email"}
# The site creates ann, who edits, and bob.
MEMBERS = f"""
from django.contrib.auth.models import Group, Permission
from members.models import Member
ann = Member.objects.create_user("ann@example.org", "{PASSWORD}", is_staff=True)
bob = Member.objects.create_user("bob@example.org", "{PASSWORD}")
editors = Group.objects.create(name="editors")
editors.permissions.add(Permission.objects.get(codename="change_member"))
ann.groups.add(editors)
ann.user_permissions.add(Permission.objects.get(codename="delete_group"))
"""
RUST = pytest.mark.parametrize("service", ["api", "site"])


class Members:
    """Django, `api` and `site` over one database with the site's members."""

    def __init__(self, database_url: str, redis_url: str, engine: str) -> None:
        shared = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": database_url}
        own = {"REDIS_URL": redis_url, "FAST_PASSWORDS": "1", "SESSION_ENGINE": ENGINES + engine}
        self.django = shared | own | MODEL
        sessions = database_url if engine == "db" else redis_url
        profile = f"django-{engine}".replace("_", "-")
        self.rust = shared | TABLE | {"SESSION_URL": sessions, "SESSION_PROFILE": profile}
        manage(self.django, "migrate", "--verbosity", "0")
        manage(self.django, "shell", "--verbosity", "0", "--command", MEMBERS)
        self.services: dict[str, Service] = {}
        try:
            self.services["django"] = start_django(self.django)
            for name in ("api", "site"):
                self.services[name] = start_rust(name, self.rust)
        except BaseException:
            self.end()
            raise

    def at(self, name: str, browser: Browser) -> Client:
        return KINDS[name](self.services[name].url, browser)

    def end(self) -> None:
        for service in self.services.values():
            service.end()


@pytest.fixture(
    scope="module",
    params=[("postgres", "cache"), ("postgres", "cached_db"), ("sqlite", "db")],
    ids=lambda case: ", ".join(case),
)
def members(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, store: Redis
) -> Iterator[Members]:
    database, engine = request.param
    store.client.execute_command("FLUSHALL")
    name = f"members_{next(COUNTER)}"
    if database == "postgres":
        postgres.run("postgres", f"CREATE DATABASE {name}")
        url = postgres.url(name)
    else:
        url = f"sqlite://{tmp_path_factory.mktemp('members') / 'db.sqlite3'}"
    members = Members(url, f"{store.url}/13", engine)
    yield members
    members.end()


def member(name: str, password: str = PASSWORD) -> User:
    return User("", f"{name}@example.org", password)


@RUST
def test_a_session_of_either_is_read_and_edited_by_the_other(members: Members, service: str) -> None:
    for first, second in (("django", service), (service, "django")):
        browser = Browser()
        members.at(first, browser).login(member("ann"))
        assert members.at(second, browser).me() == "ann@example.org"
        counted = members.at(first, browser).count()
        assert members.at(second, browser).count() == counted + 1
        members.at(second, browser).logout()
        assert members.at(first, browser).me() is None


def test_both_report_the_same_member(members: Members) -> None:
    for name, first in (("ann", "django"), ("bob", "api")):
        browser = Browser()
        members.at(first, browser).login(member(name))
        told, ours = (members.at(service, browser).account() for service in ("django", "api"))
        assert {name: ours[name] for name in told} == told
        assert len(told["id"]) == 36 and told["username"] == told["email"]
        assert (told["groups"], "members.change_member" in told["permissions"]) == (
            (["editors"], True) if name == "ann" else ([], False)
        )


@RUST
def test_a_new_password_at_either_ends_the_other_sessions_of_the_member(members: Members, service: str) -> None:
    name = f"{service}{next(COUNTER)}"
    user = register(members, name)
    for first in ("django", "site"):
        browser, other = Browser(), Browser()
        members.at(first, browser).login(user)
        members.at(service, other).login(user)
        assert members.at("django", other).me() == user.username
        user = members.at(first, browser).change_password(user, f"{PASSWORD} {next(COUNTER)}")
        for asked in ("django", service):
            assert members.at(asked, browser).me() == user.username
            assert members.at(asked, other).me() is None


def test_a_user_registered_at_site_is_a_member_for_django(members: Members) -> None:
    user = register(members, "new")
    browser = Browser()
    django = members.at("django", browser)
    django.login(user)
    assert django.account()["groups"] == []
    assert members.at("api", browser).account()["id"] == django.account()["id"]


def test_a_session_that_django_made_is_among_the_devices_and_ends_with_the_others(members: Members) -> None:
    user, browser, other = register(members, "devices"), Browser(), Browser()
    members.at("django", browser).login(user)
    members.at("django", other).login(user)
    for seen in (browser, other):
        assert members.at("api", seen).me() == user.username
    # The third is from the registration.
    assert len(members.at("api", browser).send("GET", "/api/sessions", 200).json()) == 3
    members.at("api", browser).send("DELETE", "/api/sessions", 204)
    assert members.at("django", other).me() is None


def register(members: Members, name: str) -> User:
    """A new user, who registered with the form of `site`."""
    user = member(name)
    fields = {"username": name, "email": user.username, "password1": PASSWORD, "password2": PASSWORD}
    members.at("site", Browser()).submit("/register", "/register", **fields)
    return user
