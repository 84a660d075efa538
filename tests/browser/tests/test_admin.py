"""The actions of staff, in a browser without scripts."""

import pages
from browser import Browser
from pair import Pair


def test_groups_and_permissions_are_chosen_confirmed_and_hold_at_both_services(
    pair: Pair, browser: Browser, other_browser: Browser
) -> None:
    other_browser.sign_in_at_site(pair.site)
    browser.sign_in_at_site(pair.site, "admin", "admin-password")
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    pages.rights(browser, pair)
    browser.click("input[name='group']")
    browser.submit("form.rights button")
    browser.wait_for("Joins these groups")
    assert browser.text("main ul") == "Support"
    browser.submit("main form button")
    browser.wait_for("The user was changed.")
    browser.wait_for("auth.change_user", "main dl")
    other_browser.open(f"{pair.api}/api/me")
    other_browser.wait_for('"groups":["Support"]', "body")

    browser.submit("main .actions a[href$='/rights']")
    assert browser.one("input[name='group']").is_selected()
    browser.click("input[name='group']")
    browser.submit("form.rights button")
    browser.wait_for("Leaves these groups")
    browser.submit("main form button")
    browser.wait_for("The user was changed.")
    other_browser.open(f"{pair.api}/api/me")
    other_browser.wait_for('"groups":[]', "body")
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
