"""Runs Django's `sessions_tests` from its source distribution, with sessions in Redis passing through the codec."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from servers import Redis, rust_program  # noqa: E402


def main() -> int:
    source = Path(sys.argv[1])
    store = Redis()
    try:
        with tempfile.TemporaryDirectory(prefix="interop-") as directory:
            count = Path(directory) / "count"
            env = {
                **os.environ,
                "REDIS_URL": f"{store.url}/0",
                "CODEC_BIN": rust_program("codec"),
                "CODEC_COUNT": str(count),
                "PYTHONPATH": str(HERE),
            }
            command = [sys.executable, "runtests.py", "sessions_tests", "--settings=redis_settings", "--parallel=1"]
            done = subprocess.run(command, cwd=source / "tests", env=env, capture_output=True, text=True)
            values = int(count.read_text()) if count.exists() else 0
    finally:
        store.end()
    # "Found 652 test(s)." and "FAILED (failures=1, errors=2, …)".
    found = re.search(r"Found (\d+) test", done.stdout + done.stderr)
    failed = r"(?:(?<!expected )failures|errors|unexpected successes)=(\d+)"
    failures = sum(int(count) for count in re.findall(failed, done.stderr))
    if done.returncode != 0 or values == 0:
        print(done.stdout + done.stderr)
    print(f"{found[1] if found else 0} tests, {failures} failures; {values} sessions went through the codec unchanged")
    return 0 if done.returncode == 0 and values > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
