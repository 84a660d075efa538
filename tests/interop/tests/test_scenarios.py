"""Scenarios in the life of a fleet."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from clients import TOKEN, Browser, found
from compression import decompressed
from fleet import SECRET_KEY, Fleet
from servers import eventually

At = Callable[..., Any]

ALL = ("django", "fastapi", "site", "api")
WRITERS = ("django", "fastapi", "api")
# Services that compare before they write.
CAREFUL = ("fastapi", "site", "api")
RUST = ("site", "api")
NEW_KEY = {"SECRET_KEY": "django-insecure-interop-the-key-after-it", "SECRET_KEY_FALLBACKS": SECRET_KEY}
# One profile for each engine, for tests that do not depend on the codec.
EACH_ENGINE = ("native", "django-cache", "django-db", "django-cached-db")


def each_engine(profile: Any) -> bool:
    return profile.name in EACH_ENGINE


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(("django",), ALL)
def test_a_session_that_django_gave_a_second_to_live_ends_everywhere(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    at(first, browser).send("PUT", "/expiry", 200, json=1)
    cookie = browser.cookie
    # Not read before: this test does not check whether reading extends a session.
    eventually(lambda: fleet.has_expired(cookie), "the session has expired")
    assert at(second, Browser(cookie)).me() is None


@pytest.mark.profiles(where=lambda profile: not profile.is_django)
@pytest.mark.pairs(RUST, ALL)
def test_a_session_of_a_service_with_a_short_idle_time_ends_everywhere(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser, SESSION_IDLE="1").login(user)
    cookie = browser.cookie
    eventually(lambda: fleet.has_expired(cookie), "the session has expired")
    assert at(second, Browser(cookie)).me() is None


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(ALL, ALL)
def test_a_new_secret_key_signs_nobody_out_while_the_old_one_is_a_fallback(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    at(first, browser).count()
    assert at(second, browser, **NEW_KEY).me() == user.username
    assert at(second, browser, **NEW_KEY).count() == 2
    # Django has re-signed the session with the new key by now, so services with only the old key can no longer read it.
    assert at(first, browser, **NEW_KEY).me() == user.username


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(ALL, ALL)
def test_a_session_under_another_secret_key_is_nobodys(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser, **NEW_KEY).login(user)
    try:
        assert at(second, browser).me() is None
    except AssertionError as error:
        # In the table the whole session is signed: except for Django, an unreadable one is an error.
        assert fleet.profile.uses_table and second in CAREFUL and " 500 " in str(error)


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(ALL, CAREFUL)
def test_a_logout_wins_over_a_write_at_the_same_moment(fleet: Fleet, at: At, first: str, second: str) -> None:
    user = fleet.new_user()
    for _ in range(5):
        browser = Browser()
        at(first, browser).login(user)
        cookie = browser.cookie
        writer = at(second, Browser(cookie))
        start = threading.Barrier(2)

        def write() -> None:
            start.wait()
            for _ in range(5):
                # Both are right: 409, and a new session.
                writer.send("GET" if second == "site" else "POST", writer.VISITS)

        thread = threading.Thread(target=write)
        thread.start()
        start.wait()
        at(first, browser).logout()
        thread.join()
        assert not fleet.is_stored_anywhere(cookie)
        for service in (first, second):
            assert at(service, Browser(cookie)).me() is None


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(CAREFUL, CAREFUL)
def test_of_two_that_count_at_the_same_moment_both_are_counted(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    cookie, counted = browser.cookie, []

    def count(service: str) -> None:
        visitor = at(service, Browser(cookie))
        counted.extend(visitor.count() for _ in range(10))

    threads = [threading.Thread(target=count, args=(service,)) for service in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == list(range(1, 21))


@pytest.mark.profiles(where=lambda profile: profile.keeps_python_objects)
@pytest.mark.pairs(("django",), RUST)
def test_python_objects_survive_an_edit_byte_for_byte(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    at(first, browser).send("POST", "/objects", 204, json={})
    at(first, browser).write("long", "x" * 500)
    before = decompressed(fleet.value(browser.cookie))
    if second == "api":
        at(second, browser).write("theme", "dark")
        assert decompressed(fleet.value(browser.cookie)) != before
        at(second, browser).remove("theme")
        assert decompressed(fleet.value(browser.cookie)) == before
    else:
        at(second, browser).count()
    assert at(first, browser).send("GET", "/objects", 200).json() == {"same": True}
    assert at(first, browser).me() == user.username


@pytest.mark.profiles(where=lambda profile: profile.keeps_python_objects)
@pytest.mark.pairs(("django",), RUST)
def test_python_objects_survive_a_login(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).send("POST", "/objects", 204, json={})
    at(second, browser).login(user)
    assert at(first, browser).send("GET", "/objects", 200).json() == {"same": True}
    assert at(first, browser).me() == user.username


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(("django",), ALL)
def test_a_message_that_django_left_is_shown_after_others_wrote(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(), Browser()
    at(first, browser).login(user)
    at(first, browser).send("POST", "/messages", 204, json={"text": "Saved täglich."})
    at(second, browser).count()
    assert at(first, browser).send("GET", "/messages", 200).json() == {"messages": ["Saved täglich."]}
    assert at(first, browser).send("GET", "/messages", 200).json() == {"messages": []}


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(("site",), ("django",))
def test_a_form_of_one_may_be_posted_to_the_other(fleet: Fleet, at: At, first: str, second: str) -> None:
    user, browser = fleet.new_user(), Browser()
    ours, django = at(first, browser), at(second, browser)
    form = {"csrfmiddlewaretoken": ours.token("/login"), "text": "from site"}
    assert django.send("POST", "/form", 200, data=form).json() == {"accepted": "from site"}

    token = django.send("GET", "/form", 200).json()["csrfmiddlewaretoken"]
    form = {"csrfmiddlewaretoken": token, "username": user.username, "password": user.password}
    ours.send("POST", "/login", 303, data=form)
    assert django.me() == user.username

    # Signing in renews the token.
    form = {"csrfmiddlewaretoken": ours.token("/profile"), "text": "signed in"}
    assert django.send("POST", "/form", 200, data=form).json() == {"accepted": "signed in"}
    token = django.send("GET", "/form", 200).json()["csrfmiddlewaretoken"]
    ours.send("POST", "/logout", 303, data={"csrfmiddlewaretoken": token})
    assert django.me() is None


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(("site",), ("django",))
def test_a_form_without_the_visitors_token_is_refused_by_both(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    token = at(first, Browser()).token("/login")
    stranger = Browser()
    at(first, stranger).token("/login")
    for service, path in ((first, "/login"), (second, "/form")):
        form = {"csrfmiddlewaretoken": token, "username": "u", "password": "p"}
        at(service, stranger).send("POST", path, 403, data=form)


@pytest.mark.profiles(where=lambda profile: profile.is_django and each_engine(profile))
@pytest.mark.pairs(ALL, ("django", "site"))
def test_staff_signed_in_at_the_first_may_enter_the_admin_of_the_second(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    staff, nobody = Browser(), Browser()
    at(first, staff).login(fleet.new_user(is_staff=True, is_superuser=True))
    at(first, nobody).login(fleet.new_user())
    at(second, staff).send("GET", "/admin/", 200)
    at(second, nobody).send("GET", "/admin/", 302, 403)


@pytest.mark.profiles(where=each_engine)
@pytest.mark.each(CAREFUL)
def test_a_session_that_cannot_be_read_is_an_error_and_is_not_touched(fleet: Fleet, at: At, service: str) -> None:
    user, browser = fleet.new_user(), Browser()
    at(service, browser).login(user)
    cookie = browser.cookie
    fleet.spoil(cookie)
    spoilt = fleet.value(cookie)
    here = at(service, browser)
    for method, path in (("GET", here.ME), ("GET" if service == "site" else "POST", here.VISITS)):
        answer = here.send(method, path, 500)
        assert "set-cookie" not in answer.headers
    assert fleet.value(cookie) == spoilt
    if service in RUST:
        # Signing in still works.
        at(service, browser).login(user)
        assert at(service, browser).me() == user.username


@pytest.mark.profiles(where=each_engine)
@pytest.mark.pairs(ALL, ("api",))
def test_a_session_of_the_first_is_among_the_devices_at_the_second_and_ends_there(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, phone, desk = fleet.new_user(), Browser(), Browser()
    at(first, phone).login(user)
    at(second, desk).login(user)
    # In Django's formats a session is listed from the first time that our services load it.
    assert at(second, phone).me() == user.username
    assert len(at(second, desk).send("GET", "/api/sessions", 200).json()) == 2
    at(second, desk).send("DELETE", "/api/sessions", 204)
    for service in (first, second):
        assert at(service, phone.with_the_same_cookie()).me() is None
    assert at(first, desk).me() == user.username


@pytest.mark.profiles(where=lambda profile: profile.is_django)
@pytest.mark.pairs(("django",), ALL)
def test_a_sign_in_at_djangos_admin_is_valid_at_the_second(
    fleet: Fleet, at: At, first: str, second: str
) -> None:
    user, browser = fleet.new_user(is_staff=True, is_superuser=True), Browser()
    here = at(first, browser)
    token = found(TOKEN, here.send("GET", "/admin/login/", 200).text)
    form = {"csrfmiddlewaretoken": token, "username": user.username, "password": user.password, "next": "/admin/"}
    here.send("POST", "/admin/login/", 302, data=form)
    assert at(second, browser).me() == user.username
