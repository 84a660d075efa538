"""Two browsers, conflicting cookies, a store that is down, and no mouse."""

from selenium.webdriver.common.keys import Keys

from browser import Browser
from pair import HOST, Pair


def test_a_device_that_is_signed_out_in_one_browser_is_signed_out_in_the_other(
    pair: Pair, browser: Browser, other_browser: Browser
) -> None:
    browser.sign_in_at_site(pair.site, "admin", "admin-password")
    other_browser.sign_in_at_site(pair.site, "admin", "admin-password")
    other_browser.open(pair.site)
    other_browser.wait_for("Live", "#live-said")

    browser.open(f"{pair.site}/sessions")
    browser.submit(".devices li:not(.current) button")
    browser.wait_for("The device is signed out.")
    other_browser.wait(lambda: other_browser.user_at("site") == "nobody", "the other browser's page names nobody")
    other_browser.open(f"{pair.site}/profile")
    assert other_browser.path().startswith("login")
    browser.open(f"{pair.site}/profile")
    browser.wait_for("admin@example.org")


def test_two_different_cookies_sign_nobody_in_and_the_next_sign_in_repairs_it(
    pair: Pair, browser: Browser, other_browser: Browser
) -> None:
    for each in (browser, other_browser):
        each.sign_in_at_site(pair.site_by_name)
    twin = other_browser.session_cookies()[0]
    planted = {"name": twin["name"], "value": twin["value"], "domain": HOST[HOST.index(".") :], "path": "/"}
    browser.cdp("Network.setCookie", **planted)
    assert len(browser.session_cookies()) == 2

    browser.open(f"{pair.site_by_name}/profile")
    assert browser.path().startswith("login"), "neither cookie decides who it is"
    browser.sign_in_at_site(pair.site_by_name)
    assert browser.path() == "profile"
    assert [cookie["domain"] for cookie in browser.session_cookies()] == [HOST]


def test_while_redis_is_down_a_page_says_so_and_nobody_is_signed_out(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_site(pair.site)
    before = browser.session_cookies()
    home = browser.new_window(pair.site)
    browser.wait_for("Live", "#live-said")
    with pair.outage():
        browser.wait_for("The service is temporarily unavailable.", "#live-said")
        browser.close_window(home)
        browser.open(f"{pair.site}/profile")
        browser.wait_for("Temporarily unavailable")
        browser.wait_for("If you were signed in, you still are.")
        assert browser.all("header form") == [] and "Sign in" not in browser.text("header"), "it claims to know nobody"
        assert browser.session_cookies() == before
    browser.open(f"{pair.site}/profile")
    browser.wait_for("demo@example.org")
    assert [cookie["value"] for cookie in browser.session_cookies()] == [cookie["value"] for cookie in before]


def test_while_the_service_is_away_an_open_page_says_so_and_follows_again_afterwards(
    pair: Pair, browser: Browser
) -> None:
    browser.sign_in_at_site(pair.site)
    browser.open(pair.site)
    browser.wait_for("Live", "#live-said")
    with pair.site_away():
        browser.wait_for("The service is temporarily unavailable.", "#live-said")
    browser.wait_for("Live", "#live-said")


def test_every_step_works_with_the_keyboard_alone(pair: Pair, browser: Browser) -> None:
    browser.open(pair.site)
    browser.tab_to("Skip to content", most=1)
    browser.press(Keys.ENTER)
    browser.tab_to("Sign in", most=1)
    browser.press(Keys.ENTER)
    browser.wait_for("This is a demonstration")
    assert browser.focused() == "User name"
    browser.press("admin", Keys.TAB, "admin-password", Keys.ENTER)
    browser.wait_for("admin@example.org")

    browser.tab_to("Admin")
    browser.press(Keys.ENTER)
    browser.wait_for("Overview")
    browser.tab_to("Users")
    browser.press(Keys.ENTER)
    browser.tab_to("demo")
    browser.press(Keys.ENTER)
    browser.wait_for("demo@example.org")
    browser.tab_to("Deactivate…")
    browser.press(Keys.ENTER)
    browser.tab_to("Deactivate", most=1)
    browser.press(Keys.ENTER)
    browser.wait_for("The user was changed.")
    browser.tab_to("Activate")
    browser.press(Keys.SPACE)
    browser.wait(lambda: "Deactivate" in browser.text("main .actions"), "the user is active again")

    browser.tab_to("Sign out")
    browser.press(Keys.ENTER)
    browser.wait(lambda: browser.session_cookies() == [], "signed out")
