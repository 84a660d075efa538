#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets in fuzz/corpus/ from the fixtures of the core crate."""

import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "shared-session" / "tests" / "fixtures"
# What is longer slows the fuzzer and teaches it nothing.
MAX_LEN = 4096
COMPRESSED = (b"\x78", b"\x1f\x8b", b"\xfd7zXZ", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd")


def fixture(name):
    return json.loads((FIXTURES / name).read_text())


def seed(target, data):
    if len(data) <= MAX_LEN:
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def pickles():
    for name in ("cpython", "django", "hostile"):
        yield from map(bytes.fromhex, fixture(f"pickle/{name}.json").values())


def documents():
    for record in fixture("django/documents.json"):
        data = bytes.fromhex(record["hex"]) if "hex" in record else record["text"].encode()
        yield record["layout"], data


def main():
    for data in pickles():
        seed("pickle", data)
        seed("cached_value", b"\xff" + data)
        seed("signed_value", b"\x01" + data)
    for layout, data in documents():
        if layout == "cache":
            seed("cached_value", b"\xff" + data)
            packed = data.startswith(COMPRESSED)
            for how in () if packed else range(5):
                seed("cached_value", bytes([how]) + data)
            if not packed:
                seed("signed_value", b"\x01" + data)
                seed("signed_value", b"\x02" + data)
                if data[:1] != b"\x80":
                    seed("json_value" if data[:1] == b"{" else "msgpack_value", data)
        else:
            seed("signed_value", b"\x00" + data)
    for text in ('{"a":[1,-2.5e-3,"\\u00e9\\ud83e\\udd80\\ud800",null,true,{"b":{}}]}', "[NaN,-Infinity,1E400]"):
        seed("json_value", text.encode())
        seed("cached_value", b"\xff" + text.encode())
    for data in ("84a166ca3fc00000a165d40105a174d6ff00000001a16cc7030a010203", "82a16191c0a162da0001780081a163cf"):
        seed("msgpack_value", bytes.fromhex(data))
        seed("cached_value", b"\xff" + bytes.fromhex(data))
    head = '{"v":1,"n":"000000000000002a","t":"%s","s":"%s","r":0,"c":1700000000000,"k":1700000001000,'
    head = head % ("T" * 24, "S" * 43) + '"i":60000,"x":1700000900000,'
    for rest in ('"u":null,"d":{},"e":{}}', '"u":{"id":"1","hash":"h","epoch":3,"at":5},"d":{"agent":"x"},"e":{"a":[1],"b":"c"}}'):
        for target in ("native_record", "sealed"):
            seed(target, (head + rest).encode())
    secret, key = "abcdefghijklmnopqrstuvwxyzABCDEF", "0123456789abcdefghijklmnopqrstuv"
    for text in (f"id={key}; csrftoken={secret}\n{secret}", f"id={'A' * 56};id=\ncsrftoken = {secret * 2}\n{secret * 2}"):
        seed("cookies", text.encode())
    for vector in json.dumps(fixture("django/csrf.json")["vectors"]).split('"'):
        if len(vector) in (32, 64):
            seed("cookies", f"csrftoken={vector}\n{vector}".encode())
    messages = fixture("django/messages.json")
    for text in (messages["session"], '["__messagesnotfinished__"]', '[["__json_message",1,20,"x","y"]]'):
        seed("message_list", text.encode())


if __name__ == "__main__":
    main()
