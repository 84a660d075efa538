"""One login, two services: each shows what visitors do at the other."""

from browser import Browser
from pages import user
from pair import Pair


def test_signing_in_at_site_signs_in_at_api(pair: Pair, browser: Browser) -> None:
    browser.open(f"{pair.site}/profile")
    assert browser.path() == "login?next=/profile"
    browser.sign_in_at_site(pair.site)
    assert browser.path() == "profile"

    browser.open(f"{pair.api}/api/me")
    browser.wait_for('"username":"demo"', "body")


def test_signing_in_at_api_signs_in_at_site(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_api(pair.api)

    browser.open(f"{pair.site}/profile")
    browser.wait_for("demo@example.org")
    browser.open(pair.site)
    browser.wait(lambda: browser.user_at("api") == "demo" == browser.user_at("site"), "both views name the user")


def test_signing_out_at_site_signs_out_at_api(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_site(pair.site)
    browser.open(pair.site)
    browser.submit("header form button")

    assert browser.session_cookies() == []
    browser.open(f"{pair.api}/api/me")
    browser.wait_for('"status":401', "body")


def test_signing_out_at_api_shows_at_site_without_a_reload(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_site(pair.site)
    browser.open(pair.site)
    browser.click("#leave button")

    browser.wait(lambda: browser.user_at("site") == "nobody" == browser.user_at("api"), "both views name nobody")
    browser.open(f"{pair.site}/profile")
    assert browser.path() == "login?next=/profile"


def test_staff_confirm_the_password_and_return_to_their_page(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_site(pair.site, "admin", "admin-password")
    user(browser, pair)
    page, before = browser.path(), browser.session_cookies()
    staff = f"form[action='/{page}/staff'] button"
    pair.age_sign_ins()
    browser.submit(staff)
    assert browser.path() == f"confirm?next=/{page}"
    browser.fill(password="wrong-password")
    browser.submit("main form button")
    browser.wait_for("This is not your current password.")
    browser.fill(password="admin-password")
    browser.submit("main form button")
    assert browser.path() == page
    browser.wait_for("please do it once more")
    assert browser.session_cookies() != before

    for _ in range(2):
        user(browser, pair)
        browser.submit(staff)
        browser.wait_for("The user was changed.")


def test_a_write_at_api_shows_at_site_in_every_window(pair: Pair, browser: Browser) -> None:
    browser.sign_in_at_site(pair.site)
    browser.open(pair.site)
    first = browser.new_window(pair.site)
    browser.fill(note="written with <b>care</b>")
    browser.click("#write button")
    browser.wait_for('"written with <b>care</b>"', "#view-site .entries")
    visits = int(browser.text("#visits"))
    browser.click("#count button")
    browser.wait(lambda: browser.text("#visits") == str(visits + 1), "the visit is counted")

    browser.close_window(first)
    browser.wait_for('"written with <b>care</b>"', "#view-site .entries")
    browser.wait(lambda: browser.text("#visits") == str(visits + 1), "the other window counts too")


def test_a_visitor_without_a_session_gets_one_by_the_first_write(pair: Pair, browser: Browser) -> None:
    browser.open(pair.site)
    browser.wait_for("Live", "#live-said")
    assert browser.session_cookies() == []
    browser.click("#count button")
    browser.wait(lambda: browser.text("#visits") == "1", "the first visit is counted")
    assert len(browser.session_cookies()) == 1
    handle = browser.text("#view-site [data-show='handle']")
    assert len(handle) == 24
    browser.wait(lambda: browser.text("#view-api [data-show='handle']") == handle, "both services see one session")


def test_preferences_of_a_visitor_stay_at_the_sign_in(pair: Pair, browser: Browser) -> None:
    browser.open(f"{pair.site}/preferences")
    browser.one("#theme option[value='dark']").click()
    browser.submit("main form button")
    browser.sign_in_at_site(pair.site)
    assert browser.one("html").get_attribute("data-theme") == "dark"
    browser.open(f"{pair.api}/api/preferences")
    browser.wait_for('{"theme":"dark"}', "body")
