"""One pair of services and two browsers for all tests. Each test starts without cookies."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "interop" / "tests"))

from browser import Browser
from pair import Pair


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.end()


def started() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.end()


first_browser = pytest.fixture(scope="session")(started)
second_browser = pytest.fixture(scope="session")(started)


@pytest.fixture
def browser(first_browser: Browser) -> Browser:
    first_browser.as_new()
    return first_browser


@pytest.fixture
def other_browser(second_browser: Browser) -> Browser:
    second_browser.as_new()
    return second_browser
