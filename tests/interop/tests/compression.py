"""Compressed values, recognised by their first bytes."""

import gzip
import lzma
import zlib

import lz4.frame
import pyzstd


def decompressed(value: bytes) -> bytes:
    if value.startswith(b"\x1f\x8b"):
        return gzip.decompress(value)
    if value.startswith(b"\xfd7zXZ\x00"):
        return lzma.decompress(value)
    if value.startswith(b"\x04\x22\x4d\x18"):
        return lz4.frame.decompress(value)
    if value.startswith(b"\x28\xb5\x2f\xfd"):
        return pyzstd.decompress(value)
    return zlib.decompress(value) if value.startswith(b"\x78") else value
