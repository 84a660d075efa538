"""Every page in both languages: axe-core finds nothing in either theme, and pages never scroll sideways."""

from collections.abc import Callable, Mapping

import pytest

from browser import Browser
from pages import ANONYMOUS, STAFF, USER
from pair import Pair

LANGUAGES = ["en", "zh-CN"]
# The narrowest phones, common phones, tablets, desktops.
WIDTHS = [320, 390, 768, 1280]
SIGN_INS = {"anonymous": None, "user": ("demo", "demo-password"), "staff": ("admin", "admin-password")}
# The findings of axe-core that may differ between themes or widths.
OF_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
PAGES = {"anonymous": ANONYMOUS, "user": USER, "staff": STAFF}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("visitor", PAGES)
def test_pages(pair: Pair, browser: Browser, other_browser: Browser, visitor: str, language: str) -> None:
    # So that the lists have more than one session.
    other_browser.sign_in_at_site(pair.site)
    browser.look(language=language)
    if sign_in := SIGN_INS[visitor]:
        browser.sign_in_at_site(pair.site, *sign_in)
    wrong = look_at(PAGES[visitor], browser, pair, language)
    assert not wrong, "\n".join(wrong)


def look_at(
    pages: Mapping[str, Callable[[Browser, Pair], None]], browser: Browser, pair: Pair, language: str
) -> list[str]:
    """The defects of these pages."""
    wrong = []
    for name, show in pages.items():
        browser.look(language=language)
        show(browser, pair)
        if browser.one("html").get_attribute("lang") != language:
            wrong.append(f"{name}: not in {language}")
        for width in WIDTHS:
            browser.look(width=width, language=language)
            wrong += [f"{name}, {width} wide: {element}" for element in browser.sticks_out()]
        for scheme, width, rules in (("light", 1280, None), ("dark", 390, OF_LOOKS)):
            browser.look(width=width, scheme=scheme, language=language)
            wrong += [f"{name}, {scheme}: {violation}" for violation in browser.violations(rules)]
    return wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_an_outage(pair: Pair, browser: Browser, language: str) -> None:
    browser.look(language=language)
    browser.sign_in_at_site(pair.site)
    with pair.outage():
        wrong = look_at({"outage": lambda browser, pair: browser.open(f"{pair.site}/profile")}, browser, pair, language)
        assert "503" in browser.text("main")
    assert not wrong, "\n".join(wrong)


def test_a_theme_that_was_chosen_wins_over_the_system(pair: Pair, browser: Browser) -> None:
    def background() -> str:
        return browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor")

    browser.open(f"{pair.site}/preferences")
    light = background()
    browser.look(scheme="dark")
    dark = background()
    assert light != dark, "the page follows the system"
    browser.one("#theme option[value='light']").click()
    browser.submit("main form button")
    assert background() == light


def test_a_language_that_was_chosen_wins_over_the_browser(pair: Pair, browser: Browser) -> None:
    browser.open(pair.site)
    browser.wait_for("Live", "#live-said")
    browser.one("#language option[value='zh-CN']").click()
    browser.wait(lambda: browser.one("html").get_attribute("lang") == "zh-CN", "the page in Chinese")
    browser.open(f"{pair.site}/login")
    assert browser.text("h1") == "登录"
