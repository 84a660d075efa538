"""Every page of `site`, and how to open it."""

from collections.abc import Callable

from browser import Browser
from pair import Pair


def at(path: str) -> Callable[[Browser, Pair], None]:
    return lambda browser, pair: browser.open(f"{pair.site}{path}")


def wrong_password(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/login")
    browser.fill(username="nobody-of-this-name", password="wrong-password")
    browser.submit("main form button")


def refused_registration(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/register")
    browser.fill(username="demo", password1="12345678", password2="87654321")
    browser.submit("main form button")


def wrong_change_of_password(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/password")
    browser.fill(old_password="wrong-password", new_password1="a longer one", new_password2="another one")
    browser.submit("main form button")


def wrong_confirmation(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/confirm?next=/profile")
    browser.fill(password="wrong-password")
    browser.submit("main form button")


def user(browser: Browser, pair: Pair) -> None:
    """The page of another user, with the confirmations of some actions."""
    browser.open(f"{pair.site}/admin/users?q=demo@")
    browser.submit("tbody th a")
    browser.driver.execute_script("for (const ask of document.querySelectorAll('details')) ask.open = true")


def rights(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/admin/users?q=demo@")
    browser.submit("tbody th a")
    browser.submit("main .actions a[href$='/rights']")


def rights_to_change(browser: Browser, pair: Pair) -> None:
    rights(browser, pair)
    browser.click("input[name='group']")
    browser.click("input[value='auth.view_user']")
    browser.submit("form.rights button")


def group(browser: Browser, pair: Pair) -> None:
    """With the confirmations of some actions."""
    browser.open(f"{pair.site}/admin/groups")
    browser.submit("tbody th a")
    browser.driver.execute_script("for (const ask of document.querySelectorAll('details')) ask.open = true")


def group_to_change(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/admin/groups")
    browser.submit("tbody th a")
    browser.click("input[value='auth.add_user']")
    browser.submit("form.rights button")


def refused_group(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/admin/groups")
    browser.fill(name="Support")
    browser.submit("main form button")


def sessions_to_end(browser: Browser, pair: Pair) -> None:
    browser.open(f"{pair.site}/admin/sessions")
    browser.click("td input[type='checkbox']")
    browser.submit("#many button")


ANONYMOUS = {
    "home": at("/"),
    "sign in": at("/login"),
    "wrong password": wrong_password,
    "register": at("/register"),
    "refused registration": refused_registration,
    "preferences": at("/preferences"),
    "not found": at("/no-such-page"),
    "wrong method": at("/logout"),
}
USER = {
    "home": at("/"),
    "profile": at("/profile"),
    "password": at("/password"),
    "wrong change of password": wrong_change_of_password,
    "wrong confirmation": wrong_confirmation,
    "devices": at("/sessions"),
    "not allowed": at("/admin/"),
}
STAFF = {
    "overview": at("/admin/"),
    "users": at("/admin/users"),
    "nobody found": at("/admin/users?q=no-such-user"),
    "user": user,
    "rights": rights,
    "rights to change": rights_to_change,
    "groups": at("/admin/groups"),
    "refused group": refused_group,
    "group": group,
    "group to change": group_to_change,
    "sessions": at("/admin/sessions"),
    "sessions to end": sessions_to_end,
    "log": at("/admin/log"),
}
