"""Controls Chromium like a visitor: pages, texts, forms, and the keyboard."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import axe_playwright_python
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from pair import HOST

PATIENCE = 30.0
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=PasswordLeakDetection,Translate,OptimizationHints,MediaRouter",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
T = TypeVar("T")


class Browser:
    """A browser with its own cookies. `wait`, and the methods that use it, retry until a condition holds."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="browser-profile-")
        options = ChromeOptions()
        options.binary_location = os.environ["CHROMIUM"]
        for flag in [*FLAGS, f"--user-data-dir={self.profile}"]:
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"credentials_enable_service": False})
        self.driver = Chrome(options=options, service=ChromeService(os.environ["CHROMEDRIVER"]))
        self.driver.set_page_load_timeout(PATIENCE)
        self.agent = self.driver.execute_script("return navigator.userAgent")
        self.as_new()

    def as_new(self) -> None:
        """One empty window without cookies: desktop, light, English."""
        first, *others = self.driver.window_handles
        for window in others:
            self.driver.switch_to.window(window)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.cdp("Network.clearBrowserCookies")
        self.emulated: dict[str, dict] = {}
        self.look()

    def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light", language: str = "en") -> None:
        """Sets the screen, the theme and the language that pages see."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.emulate("Emulation.setDeviceMetricsOverride", **metrics)
        self.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.emulate("Network.setUserAgentOverride", userAgent=self.agent, acceptLanguage=language)

    def emulate(self, command: str, **parameters: object) -> None:
        """Sends the command for this window, unless it is already in effect."""
        if self.emulated.get(command) != parameters:
            self.cdp(command, **parameters)
            self.emulated[command] = parameters

    def cdp(self, command: str, **parameters: object) -> dict:
        return self.driver.execute_cdp_cmd(command, parameters)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def new_window(self, url: str) -> str:
        """Opens a page in a new window, which is used from now on, and returns the previous window."""
        before = self.driver.current_window_handle
        self.driver.switch_to.new_window("window")
        self.emulated = {}
        self.look()
        self.open(url)
        return before

    def close_window(self, back_to: str) -> None:
        self.driver.close()
        self.driver.switch_to.window(back_to)
        self.emulated = {}

    def end(self) -> None:
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # Reading pages

    def wait(self, what: Callable[[], T], why: str) -> T:
        """Returns the result as soon as it is true. Pages may change meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := what():
                    return found
            except (WebDriverException, IndexError):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"never happened: {why}. {self.driver.current_url} shows:\n{self.text('body')}")
            time.sleep(0.03)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.wait(lambda: self.all(selector)[0], f"an element {selector}")

    def text(self, selector: str) -> str:
        """The text of the first such element; empty if there is none."""
        for _ in range(5):
            try:
                elements = self.all(selector)
                return elements[0].text if elements else ""
            except StaleElementReferenceException:
                continue
        return ""

    def wait_for(self, text: str, selector: str = "main") -> None:
        self.wait(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def path(self) -> str:
        """The path of the page, and its query."""
        return self.driver.current_url.split("/", 3)[3]

    def user_at(self, view: str) -> str:
        """The signed-in user, as the home page shows it for `site` or `api`."""
        return self.text(f"#view-{view} [data-show='user']")

    def session_cookies(self) -> list[dict]:
        cookies = self.cdp("Network.getAllCookies")["cookies"]
        return [cookie for cookie in cookies if cookie["name"] == "shared_session_id"]

    # Visitors' actions

    def fill(self, **values: str) -> None:
        """Types into the fields with these ids."""
        for name, value in values.items():
            field = self.one(f"#{name}")
            field.clear()
            field.send_keys(value)

    def click(self, selector: str) -> None:
        """Clicks the first such element that is shown."""

        def click() -> bool:
            next(element for element in self.all(selector) if element.is_displayed()).click()
            return True

        self.wait(lambda: any(e.is_displayed() for e in self.all(selector)) and click(), f"a click on {selector}")

    def submit(self, selector: str) -> None:
        """Clicks a button that leads to another page, and waits for that page."""
        before = self.one("html")
        self.click(selector)
        self.wait(lambda: self.one("html") != before and self.is_loaded(), f"a page after {selector}")

    def is_loaded(self) -> bool:
        return self.driver.execute_script("return document.readyState") == "complete"

    def sign_in_at_site(self, site: str, username: str = "demo", password: str = "demo-password") -> None:
        if not self.driver.current_url.startswith(f"{site}/login"):
            self.open(f"{site}/login")
        self.fill(username=username, password=password)
        self.submit("main form button")
        assert not self.path().startswith("login"), self.text("main")

    def sign_in_at_api(self, api: str, username: str = "demo", password: str = "demo-password") -> None:
        """Uses the form in the documentation page."""
        self.open(f"{api}/docs/")
        operation = "[id$='-login']"
        self.click(f"{operation} .opblock-summary-control")
        self.click(f"{operation} .try-out__btn")
        body = self.one(f"{operation} textarea")
        body.send_keys(Keys.CONTROL, "a")
        body.send_keys(f'{{"username": "{username}", "password": "{password}"}}')
        self.click(f"{operation} .execute")
        self.wait_for("200", f"{operation} .live-responses-table tbody .response-col_status")

    # The keyboard

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        """The name of the element with the keyboard focus."""
        script = """const e = document.activeElement;
            return e.getAttribute("aria-label") ?? (e.labels?.[0]?.textContent ?? e.textContent).trim()"""
        return self.driver.execute_script(script)

    def tab_to(self, name: str, most: int = 40) -> None:
        """Presses Tab until the element with this name has the focus. Each element on the way must show its focus."""
        for _ in range(most):
            self.press(Keys.TAB)
            assert self.shows_focus(), f"{self.focused()!r} does not show that it has the focus"
            if self.focused() == name:
                return
        raise AssertionError(f"{name!r} cannot be reached with the Tab key")

    def shows_focus(self) -> bool:
        script = """const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
            return e.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
                && box.width > 1 && box.right > 0 && box.bottom > 0"""
        return self.driver.execute_script(script)

    # Defects of a page

    def violations(self, rules: list[str] | None = None) -> list[str]:
        """The findings of axe-core with these rules, or with all; a line for each element."""
        if not self.driver.execute_script("return typeof axe === 'object'"):
            self.driver.execute_script(AXE)
        script = """const [options, done] = arguments;
            axe.run(document, options).then(({violations}) => done(violations), e => done(String(e)))"""
        options = {"resultTypes": ["violations"]} | ({"runOnly": {"type": "rule", "values": rules}} if rules else {})
        found = self.driver.execute_async_script(script, options)
        assert isinstance(found, list), found
        return [
            f"{rule['impact']}: {rule['id']}: {rule['help']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for rule in found
            for node in rule["nodes"]
        ]

    def sticks_out(self) -> list[str]:
        """The elements that make the page wider than the window."""
        script = """const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 1)
                .map(e => e.outerHTML.slice(0, 160))"""
        return self.driver.execute_script(script)
