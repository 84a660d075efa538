"""Reads the values of Django's caches without executing their contents."""

import gzip
import io
import json
import lzma
import pickle
import zlib
from typing import Any

import lz4.frame
import msgpack
import pyzstd

# `pickle.loads` runs any code that the value names, and anyone who can write to Redis can choose it. Only the names in
# this list may be constructed; every other name is refused.
ALLOWED = {
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("django.utils.safestring", "SafeString"),
    ("uuid", "UUID"),
}


class DataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a session")
        return super().find_class(module, name)


CODECS = {
    "pickle": (lambda value: DataUnpickler(io.BytesIO(value)).load(), lambda value: pickle.dumps(value, 5)),
    "json": (json.loads, lambda value: json.dumps(value).encode()),
    "msgpack": (lambda value: msgpack.unpackb(value, raw=False), msgpack.packb),
}
# django-redis compresses only long values, so every value must be checked.
COMPRESSORS = {
    "zlib": (b"\x78", zlib.decompress, zlib.compress),
    "gzip": (b"\x1f\x8b", gzip.decompress, gzip.compress),
    "lzma": (b"\xfd7zXZ\x00", lzma.decompress, lzma.compress),
    "lz4": (b"\x04\x22\x4d\x18", lz4.frame.decompress, lz4.frame.compress),
    "zstd": (b"\x28\xb5\x2f\xfd", pyzstd.decompress, pyzstd.compress),
}


class Unreadable(ValueError):
    """The value is not a session, or not in this codec, or not signed with this key."""


class Codec:
    def __init__(self, name: str = "pickle", compressor: str = "") -> None:
        self.read, self.write = CODECS[name]
        self.compressor = COMPRESSORS.get(compressor)

    def loads(self, value: bytes) -> dict:
        try:
            if self.compressor and value.startswith(self.compressor[0]):
                value = self.compressor[1](value)
            entries = self.read(value)
        except Exception as error:  # Each codec and each compressor has its own errors.
            raise Unreadable("the session cannot be read") from error
        if not isinstance(entries, dict):
            raise Unreadable("the session is no dict")
        return entries

    def dumps(self, entries: dict) -> bytes:
        value = self.write(entries)
        return self.compressor[2](value) if self.compressor else value
