#!/usr/bin/env python3
"""Compares the pickle codec with CPython on mutated pickles: CPython must read all that the codec accepts, equally.

    cargo build --release -p shared-session-interop-codec
    fuzz/against_python.py target/release/interop-codec [SECONDS] [SEED]

Only harmless inputs are loaded: the unpickler finds only plain types of the standard library.
"""

import collections
import datetime
import decimal
import io
import json
import math
import pathlib
import pickle
import random
import resource
import struct
import subprocess
import sys
import time
import uuid

FIXTURES = pathlib.Path(__file__).parent.parent / "shared-session" / "tests" / "fixtures" / "pickle"
HARMLESS = {
    ("datetime", name): getattr(datetime, name) for name in ("datetime", "date", "time", "timedelta", "timezone")
} | {
    ("decimal", "Decimal"): decimal.Decimal,
    ("uuid", "UUID"): uuid.UUID,
    ("collections", "OrderedDict"): collections.OrderedDict,
}
HARMLESS |= {
    (module, kind.__name__): kind
    for module in ("builtins", "__builtin__")
    for kind in (set, frozenset, complex)
}


class NotHarmless(Exception):
    pass


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return HARMLESS[module, name]
        except KeyError:
            raise NotHarmless from None


class Codec:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def rewritten(self, data):
        self.process.stdin.write(struct.pack(">I", len(data)) + data)
        self.process.stdin.flush()
        head = self.process.stdout.read(5)
        body = self.process.stdout.read(struct.unpack(">I", head[1:])[0])
        return (body, None) if head[:1] == b"+" else (None, body.decode())


def is_same(a, b, depth=0):
    """Equality with types, in which each NaN equals itself. Sharing may be expanded, up to a limit."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or math.isnan(a) and math.isnan(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(is_same(x, y) for x, y in zip(a.items(), b.items()))
    if isinstance(a, (set, frozenset)):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    if isinstance(a, (datetime.datetime, datetime.time)) and (a.fold, a.tzinfo) != (b.fold, b.tzinfo):
        return False
    return repr(a) == repr(b)


def seeds():
    for name in ("cpython", "django"):
        for data in map(bytes.fromhex, json.loads((FIXTURES / f"{name}.json").read_text()).values()):
            if len(data) < 3000:
                yield data


def mutated(rng, pool):
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at:at] = bytes([rng.choice(b"(NKMJI.)]}tlds\x85\x86\x87\x88\x89\x90\x91\x94\x8c\x8f0e")])
            case 2:
                del data[at : at + rng.randint(1, 4)]
            case 3:
                other = rng.choice(pool)
                start = rng.randrange(len(other))
                data[at:at] = other[start : start + rng.randint(1, 40)]
            case _:
                if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
        if not data:
            return b"."
    return bytes(data)


def main():
    codec = Codec(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    # A made-up length must not exhaust the machine's memory.
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    pool, counts, end = list(seeds()), collections.Counter(), time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(rng, pool)
        written, refused = codec.rewritten(data)
        counts["inputs"] += 1
        if refused:
            counts["refused"] += 1
            continue
        try:
            before = Unpickler(io.BytesIO(data)).load()
        except NotHarmless:
            counts["accepted, not loaded"] += 1
            continue
        except Exception as error:
            # For example a call with arguments that the class refuses: the codec describes it, CPython makes it.
            counts[f"accepted, CPython: {type(error).__name__}"] += 1
            try:
                Unpickler(io.BytesIO(written)).load()
            except Exception:
                continue
            return report(data, written, f"only what was written is read ({error!r})")
        try:
            after = Unpickler(io.BytesIO(written)).load()
        except Exception as error:
            return report(data, written, f"what was written is not read: {error!r}")
        if not is_same(before, after):
            return report(data, written, "what was written is another value")
        counts["accepted, equal"] += 1
        if len(pool) < 2000 and rng.random() < 0.01:
            pool.append(data)
    for what, count in sorted(counts.items()):
        print(f"{count:9} {what}")
    return 0


def report(data, written, why):
    print(f"{why}\n  read    {data.hex()}\n  written {written.hex()}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
