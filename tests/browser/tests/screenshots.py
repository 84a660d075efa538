"""Draws the pictures of docs/tour.md and of the READMEs into docs/images/."""

import base64
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "interop" / "tests"))

from browser import Browser
from pair import Pair

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000


def draw(browser: Browser, name: str) -> None:
    """Takes a screenshot of the window."""
    image = base64.b64decode(browser.cdp("Page.captureScreenshot", format="png")["data"])
    if len(image) > LARGEST:
        sys.exit(f"error: {name}.png has {len(image)} bytes; a picture may have {LARGEST}")
    (IMAGES / f"{name}.png").write_bytes(image)
    print(f"docs/images/{name}.png: {len(image) // 1000} kB")


def tour(browser: Browser, pair: Pair) -> None:
    browser.look(width=1100, height=760)
    browser.open(pair.site)
    browser.wait_for("Live", "#live-said")
    draw(browser, "home")

    browser.open(f"{pair.site}/login")
    browser.fill(username="demo", password="demo-password")
    browser.look(width=1100, height=740)
    draw(browser, "sign-in")
    browser.submit("main form button")

    browser.look(width=1100, height=1020)
    browser.open(pair.site)
    browser.click("#count button")
    browser.fill(note="hello from api")
    browser.click("#write button")
    browser.wait_for("hello from api", "#view-site .entries")
    browser.wait_for("hello from api", "#view-api .entries")
    browser.driver.execute_script("document.activeElement.blur(); document.querySelector('h2').scrollIntoView()")
    draw(browser, "two-views")

    browser.open(f"{pair.api}/docs/")
    operation = "[id$='-me']"
    browser.click(f"{operation} .opblock-summary-control")
    browser.click(f"{operation} .try-out__btn")
    browser.click(f"{operation} .execute")
    browser.wait_for("demo@example.org", f"{operation} .live-responses-table")
    browser.driver.execute_script(f"document.querySelector(\"{operation}\").scrollIntoView()")
    browser.look(width=1100, height=900)
    draw(browser, "api")

    browser.open(f"{pair.site}/sessions")
    browser.look(width=1100, height=560)
    draw(browser, "devices")
    browser.open(pair.site)
    browser.wait_for("Live", "#live-said")
    browser.look(width=1100, height=760, scheme="dark", language="zh-CN")
    browser.open(pair.site)
    browser.wait_for("demo", "#view-api")
    draw(browser, "home-dark-chinese")

    browser.look(width=1100, height=560)
    with pair.outage():
        browser.open(f"{pair.site}/profile")
        browser.wait_for("503")
        draw(browser, "outage")

    browser.as_new()
    browser.sign_in_at_site(pair.site, "admin", "admin-password")
    browser.open(f"{pair.site}/admin/")
    browser.wait_for("Overview", "h1")
    browser.look(width=1100, height=900)
    draw(browser, "admin")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    pair = Pair()
    try:
        browser, phone = Browser(), Browser()
        try:
            # A second device for the list.
            phone.look(width=390)
            phone.sign_in_at_site(pair.site)
            tour(browser, pair)
        finally:
            browser.end()
            phone.end()
    finally:
        pair.end()


if __name__ == "__main__":
    main()
