"""Servers that live as long as the tests: Redis, PostgreSQL, and the services themselves.

Each is started on a free port, watched by a shell that ends it if the tests are killed, and ended by its process id.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import redis
import requests

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
# Waits for the end of the pipe, which comes when the tests end for any reason.
WATCHDOG = """read -r line && exit 0
kill -s "$2" "$1"; sleep 2; kill -s KILL "$1"; rm -rf "$3" """


class Process:
    """A server process. Its output is in `log`, its files are in a directory that is removed with it."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        fds: tuple[int, ...] = (),
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.stop_signal, self.log = stop, directory / "server.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=env,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        watchdog = ["sh", "-c", WATCHDOG, "watchdog", str(self.process.pid), stop.name[3:], str(directory)]
        self.watchdog = subprocess.Popen(
            watchdog,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}:\n{self.output()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.process.args} does not answer:\n{self.output()}")
            time.sleep(0.02)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self, how: signal.Signals | None = None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how or self.stop_signal)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.watchdog.poll() is None:
            self.watchdog.communicate(b"ended\n")


class Redis:
    """A Redis server for the tests. A `durable` one keeps every acknowledged write over `kill` and `start`."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self.directory = Path(tempfile.mkdtemp(prefix="interop-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "yes" if self.durable else "no"}
        options |= {"appendfsync": "always"}
        command = [server("REDIS_OLD")]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.process = Process(command, self.directory)
        self.process.wait_until(lambda: answers(self.client.ping, redis.RedisError))

    def kill(self) -> None:
        self.process.end(signal.SIGKILL)

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres:
    """A PostgreSQL server for the tests. It refuses to run as root, so then it runs as another user."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="interop-postgres-"))
        self.user = unprivileged_user()
        self.port = free_port()
        programs = self.reachable(Path(server("POSTGRES_BIN")))
        if self.user:
            shutil.chown(self.directory, self.user)
        data = str(self.directory / "data")
        initdb = [str(programs / "initdb"), "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust"]
        as_user = {"user": self.user, "extra_groups": []} if self.user else {}
        subprocess.run(
            [*initdb, "--username=postgres", "-D", data], cwd=self.directory, check=True, capture_output=True, **as_user
        )
        self.command = [str(programs / "postgres"), "-D", data, "-p", str(self.port), "-k", str(self.directory)]
        self.command += ["-c", "fsync=off", "-c", "max_connections=300", "-c", "listen_addresses=127.0.0.1"]
        self.start()

    def start(self) -> None:
        # SIGQUIT ends it at once, with its child processes.
        self.process = Process(self.command, self.directory, user=self.user, stop=signal.SIGQUIT)
        self.process.wait_until(lambda: answers(lambda: self.run("postgres", "SELECT 1"), psycopg.OperationalError))

    def url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, database: str, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            return rows_of(connection, sql, values)

    def kill(self) -> None:
        self.process.end()

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def reachable(self, programs: Path) -> Path:
        """The programs, or a copy of the installation that the other user can read."""
        if not self.user or all(path.stat().st_mode & 0o001 for path in programs.parents):
            return programs
        copy = self.directory / "programs"
        wheel = next(path for path in programs.parents if path.parent.name == ".test-env" or path.parent.name == "usr")
        shutil.copytree(wheel, copy, symlinks=True)
        self.directory.chmod(0o755)
        return copy / programs.relative_to(wheel)


def rows_of(connection: psycopg.Connection, sql: str, values: tuple) -> list[tuple]:
    cursor = connection.execute(sql, values or None)
    return cursor.fetchall() if cursor.description else []


class Service:
    """A web service on a port that the system picks."""

    def __init__(self, process: Process, directory: Path, url: str = "") -> None:
        self.process, self.directory, self.url = process, directory, url

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        try:
            self.process.wait_until(is_ready)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        self.process.end()
        shutil.rmtree(self.directory, ignore_errors=True)


def start_python(
    command: list[str], source: Path, env: Mapping[str, str], probe: str, stop: signal.Signals
) -> Service:
    """Starts a Python service on a socket that is already open: `{fd}` in the command stands for it."""
    directory = Path(tempfile.mkdtemp(prefix="interop-service-"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [part.format(fd=listener.fileno()) for part in command]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", **env}
        service = Service(Process(command, directory, env=env, fds=(listener.fileno(),), stop=stop), directory, url)
    service.wait_until(lambda: answers(lambda: requests.get(url + probe, timeout=PATIENCE), requests.RequestException))
    return service


def start_rust(name: str, env: Mapping[str, str]) -> Service:
    """Starts `site` or `api`."""
    program = rust_program(name)
    directory = Path(tempfile.mkdtemp(prefix="interop-service-"))
    service = Service(Process([program], directory, env=rust_environment(name, env)), directory)

    def is_listening() -> bool:
        _, said, rest = service.process.output().partition("listening on ")
        service.url = rest.split()[0] if said and "\n" in rest else ""
        return bool(service.url)

    service.wait_until(is_listening)
    return service


def run_rust(name: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs `site` or `api` with settings that it should refuse. Retries if it gave up on a store on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with tempfile.TemporaryDirectory(prefix="interop-service-") as directory:
            command, env_of_it = [rust_program(name)], rust_environment(name, env)
            ended = subprocess.run(
                command, cwd=directory, env=env_of_it, capture_output=True, text=True, timeout=PATIENCE
            )
        if "in time" not in ended.stderr or time.monotonic() > deadline:
            return ended


def rust_environment(name: str, env: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], f"{name.upper()}_ADDR": "127.0.0.1:0", "RUST_LOG": "warn", **env}


def rust_program(name: str) -> str:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    built = target / "interop-codec" if name == "codec" else target / "examples" / name
    program = Path(os.environ.get(f"{name.upper()}_BIN", built))
    if not program.is_file():
        build = "cargo build --workspace --all-features --examples --bins"
        raise RuntimeError(f"{program} is missing: run `{build}` first")
    return str(program)


def server(name: str) -> str:
    """The path of a server that `scripts/test-env` found."""
    if name in os.environ:
        return os.environ[name]
    lines = (ROOT / ".test-env" / "servers.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)[name]


def unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(call: Callable[[], object], failure: type[Exception]) -> bool:
    try:
        call()
    except failure:
        return False
    return True


def eventually(what: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {why}")
        time.sleep(0.05)
