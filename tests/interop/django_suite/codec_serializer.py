"""Django's serializer for its Redis cache, with every session also read and written by the codec in Rust.

`CACHES["default"]["OPTIONS"]["serializer"]`. The codec must give back the same bytes, or the test that stored or loaded
the session fails.
"""

import atexit
import os
import pickle
import struct
import subprocess
import threading
from typing import Any

from django.core.cache.backends.redis import RedisSerializer


class Codec:
    """The program in CODEC_BIN, started at its first use."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.unchanged = 0

    def rewritten(self, value: bytes) -> bytes:
        with self.lock:
            if self.process is None:
                self.process = subprocess.Popen(
                    [os.environ["CODEC_BIN"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                atexit.register(self.end)
            to_codec, from_codec = self.process.stdin, self.process.stdout
            to_codec.write(struct.pack(">I", len(value)) + value)
            to_codec.flush()
            kind, length = struct.unpack(">cI", from_codec.read(5))
            answer = from_codec.read(length)
        if kind != b"+":
            raise AssertionError(f"the codec refused a session of Django: {answer.decode()}")
        return answer

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        with open(os.environ["CODEC_COUNT"], "w") as file:
            file.write(str(self.unchanged))


CODEC = Codec()


class CodecSerializer(RedisSerializer):
    def dumps(self, obj: Any) -> Any:
        value = super().dumps(obj)
        # Django keeps an integer as its digits.
        return checked(value) if isinstance(value, bytes) else value

    def loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return pickle.loads(checked(data))


def checked(value: bytes) -> bytes:
    rewritten = CODEC.rewritten(value)
    if rewritten != value:
        raise AssertionError(f"Django wrote {value.hex()}, the codec {rewritten.hex()}")
    CODEC.unchanged += 1
    return rewritten
