"""Finds the Chromium and the ChromeDriver for the tests; it never downloads one."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

CHROMIUM = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]


class Missing(Exception):
    """The message says what to install."""


def find() -> tuple[str, str]:
    """The browser and its driver: CHROMIUM and CHROMEDRIVER, or those on the path, of the same version.

    Raises `Missing` where there are none.
    """
    browsers = versions("CHROMIUM", (shutil.which(name) for name in CHROMIUM), r"(?:Chromium|Chrome)\S* (\d+)\.")
    # CHROMEWEBDRIVER is a directory on GitHub's machines.
    places = (None, os.environ.get("CHROMEWEBDRIVER", ""))
    drivers_on_path = (shutil.which("chromedriver", path=place) for place in places)
    drivers = versions("CHROMEDRIVER", drivers_on_path, r"ChromeDriver (\d+)\.")
    for browser, version in browsers.items():
        for driver, version_of_driver in drivers.items():
            if version == version_of_driver:
                return browser, driver
    found = ", ".join(f"{program} {version}" for program, version in {**browsers, **drivers}.items()) or "neither"
    raise Missing(
        "the tests with a browser need Chromium and the ChromeDriver of the same version, and this machine has "
        f"{found}.\nInstall them (Debian: apt-get install chromium chromium-driver), set CHROMIUM and CHROMEDRIVER\n"
        "to the programs, or leave these tests out with BROWSER_TESTS=off."
    )


def versions(variable: str, on_path: Iterable[str | None], banner: str) -> dict[str, str]:
    """The programs and their versions; only the one that the variable names, if it is set."""
    chosen = os.environ.get(variable)
    found = {}
    for program in [chosen] if chosen else on_path:
        version = version_of(program, banner) if program else None
        if version:
            found[program] = version
    return found


def version_of(program: str, banner: str) -> str | None:
    """None also for Ubuntu's `chromium-browser`, which may only print how to install one."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(banner, answer.stdout)
    return match[1] if match else None
