"""Virtual environments in `.test-env/` for the tests that are written in Python."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST_ENV = ROOT / ".test-env"
QUIET = ["--quiet", "--disable-pip-version-check"]


def find_python(first: tuple[int, int], last: tuple[int, int]) -> str | None:
    """PYTHON, this Python, one on the path, or one that pyenv or uv installed: the first that is in the range."""
    numbers = [f"3.{minor}" for minor in range(last[1], first[1] - 1, -1)]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.expanduser("~/.local/share/uv/python"))
    candidates = [os.environ.get("PYTHON", ""), sys.executable]
    for number in numbers:
        candidates.append(shutil.which(f"python{number}") or "")
        candidates += sorted(glob.glob(f"{pyenv}/versions/{number}.*/bin/python3"), reverse=True)
        candidates += sorted(glob.glob(f"{uv}/cpython-{number}.*/bin/python3"), reverse=True)
    return next((python for python in candidates if python and first <= version_of(python) <= last), None)


def version_of(python: str) -> tuple[int, int]:
    """(0, 0) if it is not a Python: pyenv puts a `python3.13` on the path that may only report that it is missing."""
    code = "import sys, venv, pip; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except OSError:
        return (0, 0)
    match = re.fullmatch(r"(\d+) (\d+)\n", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def prepare(name: str, pins: list[Path], python: str) -> Path:
    """The virtual environment of these pins and this Python; `pip` reads the first file. Removes all others."""
    contents = b"".join(file.read_bytes() for file in pins) + python.encode()
    directory = TEST_ENV / f"{name}-{hashlib.sha256(contents).hexdigest()[:16]}"
    if (directory / "complete").exists():
        return directory
    print(f"== {name}: installing it into {directory.relative_to(ROOT)}", flush=True)
    for old in TEST_ENV.glob(f"{name}-*"):
        shutil.rmtree(old)
    # Without an extra package Debian's Python makes environments without pip; its own pip can install one there.
    subprocess.run([python, "-m", "venv", "--without-pip", str(directory)], check=True)
    inside = str(directory / "bin" / "python")
    subprocess.run([python, "-m", "pip", *QUIET, "--python", inside, "install", "pip"], check=True)
    pip(directory, "install", "-r", str(pins[0]))
    (directory / "complete").touch()
    return directory


def pip(environment: Path, *arguments: str) -> None:
    subprocess.run([str(environment / "bin" / "python"), "-m", "pip", *QUIET, *arguments], check=True)
