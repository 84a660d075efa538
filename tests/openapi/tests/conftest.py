"""One `api` on an embedded database for all tests, as `make demo` starts it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "interop" / "tests"))

from servers import PATIENCE, Service, start_rust

DEMO = {"username": "demo", "password": "demo-password"}


@pytest.fixture(scope="session")
def api() -> Iterator[Service]:
    # The tests sign in hundreds of times, which would count as guessing passwords.
    service = start_rust("api", {"SIGN_IN_LIMIT": "off"})
    yield service
    service.end()


@pytest.fixture(scope="session")
def document(api: Service) -> dict[str, Any]:
    return requests.get(f"{api.url}/openapi.json", timeout=PATIENCE).json()


@pytest.fixture
def signed_in(api: Service) -> requests.Session:
    session = requests.Session()
    session.post(f"{api.url}/api/login", json=DEMO, timeout=PATIENCE).raise_for_status()
    return session
