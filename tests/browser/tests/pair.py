"""The two services behind one cookie, with a Redis that tests may stop."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from servers import PATIENCE, Redis, Service, eventually, free_port, rust_environment, rust_program, start_rust

SECRET_KEY = "browser-tests-3q8w!rx0#7d$k2z%v^n&p*a(5)"
# This machine, for the tests' browser only. The parent of a host name may have cookies, which an IP address may not.
HOST = "app.example.test"


class Pair:
    """`site` and `api` on separate ports, at 127.0.0.1 and at HOST. Users are in an embedded database."""

    def __init__(self) -> None:
        self.redis = Redis(durable=True)
        self.directory = Path(tempfile.mkdtemp(prefix="browser-data-"))
        site, api = free_port(), free_port()
        self.site, self.api = (f"http://127.0.0.1:{port}" for port in (site, api))
        self.site_by_name, self.api_by_name = (f"http://{HOST}:{port}" for port in (site, api))
        self.env = env = {
            "SECRET_KEY": SECRET_KEY,
            "DATA_DIR": str(self.directory),
            "SESSION_URL": self.redis.url,
            "SITE_ADDR": f"127.0.0.1:{site}",
            "API_ADDR": f"127.0.0.1:{api}",
            "SITE_ORIGIN": f"{self.site},{self.site_by_name}",
            "API_ORIGIN": f"{self.api},{self.api_by_name}",
        }
        self.services: list[Service] = []
        try:
            self.services += [start_rust("site", env), start_rust("api", env)]
            create_superuser(env)
        except BaseException:
            self.end()
            raise

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Stops Redis meanwhile; afterwards waits until both services have reconnected."""
        self.redis.kill()
        try:
            yield
        finally:
            self.redis.start()
            for service in (self.site, self.api):
                is_ready = lambda url=f"{service}/readyz": requests.get(url, timeout=PATIENCE).ok
                eventually(is_ready, f"{service} is ready again")

    @contextmanager
    def site_away(self) -> Iterator[None]:
        """Stops `site` meanwhile."""
        self.services[0].end()
        try:
            yield
        finally:
            self.services[0] = start_rust("site", self.env)

    def age_sign_ins(self) -> None:
        """Moves all sign-ins into the past."""
        for key in self.redis.client.scan_iter("shared_session:*"):
            if self.redis.client.type(key) == b"string":
                aged = re.sub(rb'"at":\d+', b'"at":1000000000000', self.redis.client.get(key))
                self.redis.client.set(key, aged, keepttl=True)

    def end(self) -> None:
        for service in self.services:
            service.end()
        self.redis.end()
        shutil.rmtree(self.directory, ignore_errors=True)


def create_superuser(env: Mapping[str, str]) -> None:
    """The administrator of `make demo`."""
    command = [rust_program("site"), "create-superuser", "--username", "admin", "--email", "admin@example.org"]
    env = rust_environment("site", {**env, "SUPERUSER_PASSWORD": "admin-password"})
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=PATIENCE)
