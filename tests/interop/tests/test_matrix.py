"""The effects of one service's actions at another: every profile, every pair, including a service with itself."""

from collections.abc import Callable
from typing import Any

import pytest

from clients import MISSING, Browser
from fleet import Fleet, User

At = Callable[[str, Browser], Any]

ALL = ("django", "fastapi", "site", "api")
# Services that can store any entry for any visitor. `site` shows the theme, and counts visits in existing sessions.
WRITERS = ("django", "fastapi", "api")
WITH_PASSWORD_PAGE = ("django", "site")

VALUES = [
    None,
    True,
    0,
    -1,
    2**53 - 1,
    0.5,
    "",
    "täglich 🦀",
    'quotes " and \\ and \n',
    [],
    {},
    [1, [2, [3, None]]],
    {"a": {"b": [True, "x"]}, "": 1},
    ["again", "again", "again"],
    "long " * 1000,
]


@pytest.mark.pairs(ALL, ALL)
def test_a_sign_in_at_the_first_is_valid_at_the_second(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    assert at(second, browser).me() == user.username
    assert at(first, browser).me() == user.username


@pytest.mark.pairs(WRITERS, WRITERS)
def test_the_second_reads_the_writes_of_the_first(fleet: Fleet, at: At, first: str, second: str) -> None:
    browser = Browser()
    for number, value in enumerate(VALUES):
        at(first, browser).write(f"v{number}", value)
    assert [at(second, browser).read(f"v{number}") for number in range(len(VALUES))] == VALUES


@pytest.mark.pairs(WRITERS, ("site",))
def test_the_pages_have_the_theme_written_at_the_first(fleet: Fleet, at: At, first: str, second: str) -> None:
    browser = Browser()
    at(first, browser).write("theme", "dark")
    assert at(second, browser).read("theme") == "dark"
    at(first, browser).write("theme", "light")
    assert at(second, browser).read("theme") == "light"


@pytest.mark.pairs(WRITERS, WRITERS)
def test_the_first_sees_changes_and_removals_by_the_second(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    at(first, browser).write("changed", {"old": [1]})
    at(first, browser).write("removed", "here")
    at(first, browser).write("kept", ["as", "it", "was"])
    at(second, browser).write("changed", {"new": [2]})
    at(second, browser).remove("removed")
    for service in (first, second):
        assert at(service, browser).read("changed") == {"new": [2]}
        assert at(service, browser).read("removed") is MISSING
        assert at(service, browser).read("kept") == ["as", "it", "was"]
        assert at(service, browser).me() == user.username


@pytest.mark.pairs(ALL, ALL)
def test_both_count_in_one_counter(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    counted = [at(service, browser).count() for service in (first, second, first, second)]
    assert counted == [1, 2, 3, 4]


@pytest.mark.pairs(WRITERS, ALL)
def test_a_login_keeps_what_a_visitor_had_and_replaces_the_cookie(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).write("cart", ["A-1"])
    old = browser.with_the_same_cookie()
    at(second, browser).login(user)
    assert browser.cookie != old.cookie
    assert at(first, browser).read("cart") == ["A-1"]
    assert at(first, browser).me() == user.username
    assert at(first, old).read("cart") is MISSING


@pytest.mark.pairs(ALL, ALL)
def test_a_login_as_somebody_else_keeps_nothing_of_the_session(fleet: Fleet, at: At, first: str, second: str) -> None:
    one, other, browser = fleet.new_user(), fleet.new_user(), Browser()
    at(first, browser).login(one)
    at(first, browser).count()
    old = browser.with_the_same_cookie()
    at(second, browser).login(other)
    assert browser.cookie != old.cookie
    assert at(first, browser).me() == other.username
    assert at(first, browser).count() == 1
    for service in (first, second):
        assert at(service, old.with_the_same_cookie()).me() is None


@pytest.mark.pairs(ALL, ALL)
def test_a_logout_at_the_first_is_a_logout_at_the_second(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(second, browser).login(user)
    assert at(second, browser).me() == user.username
    cookie, thief = browser.cookie, browser.with_the_same_cookie()
    at(first, browser).logout()
    assert at(second, browser).me() is None
    assert at(second, thief.with_the_same_cookie()).me() is None
    assert at(first, thief.with_the_same_cookie()).me() is None
    assert not fleet.is_stored_anywhere(cookie)


@pytest.mark.pairs(ALL, WRITERS)
def test_a_write_after_the_logout_does_not_bring_the_session_back(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    late, cookie = browser.with_the_same_cookie(), browser.cookie
    at(first, browser).logout()
    at(second, late).send("PUT", at(second, late).ENTRY + "late", json=1)
    assert not fleet.is_stored_anywhere(cookie)
    for service in (first, second):
        assert at(service, late.with_the_same_cookie()).me() is None
        assert at(service, Browser(cookie)).me() is None


@pytest.mark.pairs(WITH_PASSWORD_PAGE, ALL)
def test_a_new_password_at_the_first_ends_the_sessions_of_the_second(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser, other_device = fleet.new_user(), Browser(), Browser()
    at(second, browser).login(user)
    at(second, other_device).login(user)
    changed = at(first, browser).change_password(user, "another horse battery")
    assert at(second, browser).me() == user.username
    assert at(first, browser).me() == user.username
    assert at(second, other_device.with_the_same_cookie()).me() is None
    assert at(first, other_device.with_the_same_cookie()).me() is None
    at(second, other_device).login(changed)
    assert at(first, other_device).me() == user.username


@pytest.mark.pairs(("django",), ALL)
def test_a_key_cycled_by_django_is_followed(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(second, browser).login(user)
    old = browser.with_the_same_cookie()
    at(first, browser).send("POST", "/cycle-key", 204, json={})
    assert browser.cookie != old.cookie
    assert at(second, browser).me() == user.username
    assert at(second, old).me() is None


@pytest.mark.pairs(("django",), WRITERS)
def test_a_lifetime_set_by_django_is_kept_by_the_next_writer(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    browser = Browser()
    at(first, browser).write("a", 1)
    at(first, browser).send("PUT", "/expiry", 200, json=600)
    at(second, browser).write("b", 2)
    assert 0 < fleet.seconds_left(browser.cookie) <= 600
    assert at(first, browser).send("GET", "/expiry", 200).json()["age"] == 600


@pytest.mark.pairs(WRITERS, ALL)
def test_a_session_that_nobody_signed_in_to_is_anonymous_everywhere(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    browser = Browser()
    at(first, browser).write("a", 1)
    assert at(second, browser).me() is None
    assert at(first, browser).read("a") == 1


@pytest.mark.pairs(ALL, ALL)
def test_deactivated_users_are_nobody_everywhere(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    fleet.sql("UPDATE auth_user SET is_active = false WHERE id = %s", int(user.id))
    assert at(second, browser.with_the_same_cookie()).me() is None


def staff_member(fleet: Fleet) -> User:
    """A member of staff with one permission of their own and one of their group."""
    user = fleet.new_user(is_staff=True)
    sql = """
    WITH new_group AS (INSERT INTO auth_group (name) VALUES (%s) RETURNING id),
    member AS (INSERT INTO auth_user_groups (user_id, group_id) SELECT %s, id FROM new_group),
    granted AS (
        INSERT INTO auth_group_permissions (group_id, permission_id)
        SELECT new_group.id, p.id FROM new_group, auth_permission p WHERE codename = 'view_user'
    )
    INSERT INTO auth_user_user_permissions (user_id, permission_id)
    SELECT %s, id FROM auth_permission WHERE codename = 'change_group'"""
    fleet.sql(sql, f"editors of {user.username}", int(user.id), int(user.id))
    return user


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(WRITERS, WRITERS)
def test_staff_groups_and_permissions_are_the_same_everywhere(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = staff_member(fleet), Browser()
    at(first, browser).login(user)
    account = at(second, browser).account()
    assert account == {
        "id": user.id,
        "username": user.username,
        "email": f"{user.username}@example.org",
        "is_staff": True,
        "is_superuser": False,
        "groups": [f"editors of {user.username}"],
        "permissions": ["auth.change_group", "auth.view_user"],
    }
