#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets in fuzz/corpus/ from the fixtures of the core crate."""

import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "shared-session" / "tests" / "fixtures"
# Longer inputs slow the fuzzer down without a benefit.
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
        seed("sealed", b"\0\0\0\x2a" + (head + rest)[110:].encode())
    token, hashed = "A" * 56, "P" * 43
    for how, member in enumerate((',"o":null', f'{{"s":"{hashed}","r":1700000000000}}', hashed, "A")):
        for who in (1, 4, 5, 8):
            seed("previous_secret", bytes([0, 1, who, how, 50]) + member.encode())
    for value in (token, "", "sid=\u00e9"):
        seed("signed_cookie", f"{value}\n".encode())
        seed("signed_cookie", f"{value}\n\x08B".encode())
    for lines in (f"Bearer {token}", f"Basic eDp5\nbearer {token}", f"Bearer {token}\nCookie: id={token}; a=b"):
        seed("bearer", lines.encode())
    # Each tilde is replaced by the tag of the text before it.
    for lines in (f"Bearer {token}~", f"Cookie: id={token}~", f"Cookie: id={token}~;id={token}\nbearer {token}~"):
        seed("bearer", lines.encode())
    for count in ("1 3 1700000000000 1700000000000", "1 4294967295 5 5", "1 1 18446744073709551615 0"):
        for policy in (b"\x0a\0\x0a\0\xff\0\x64\x09", b"\x03\x03\xe8\xff\xff\x03\xe8\xff"):
            seed("throttle", policy + b"\0\0\0\x0a" + count.encode())
    for text in ("ann\n", "Ann\n\x05A", " \u0130\u00df \n\x30_"):
        seed("device_cookie", text.encode())
    kind = "application/x-www-form-urlencoded"
    for form in (
        f"{kind}\n-\na=1+%C3%A9&csrfmiddlewaretoken=t&&b&=c",
        f"{kind}; charset=utf-8\nheader\na=%FF&b=%zz+%",
        "-\n-\n",
    ):
        seed("posted_form", form.encode())
    for lines in (
        "POST\n/a?b\nhttps://App.example:443\nhttps://app.example",
        "POST\n/\nhttp://[::1]:80\ns:same-site\nhttp://[::1]",
        "POST\n/\nhttp://localhost:8000\ns:same-origin\nnull",
        "GET\n/\nhttp://127.0.0.1\nu:websocket\ns:cross-site",
    ):
        seed("request_origin", lines.encode())
    salt, hashed = "c2l4dGVlbiBieXRlcyBvaw", "A" * 43
    for encoded in (
        f"pbkdf2_sha256$2$salt${hashed}=",
        f"pbkdf2_sha1$2$salt${'A' * 27}=",
        f"scrypt$2$salt$1$1${'A' * 86}==",
        f"bcrypt_sha256$$2b$04${'A' * 53}",
        f"argon2$argon2id$v=19$m=16,t=1,p=2${salt}${hashed}",
        f"argon2$argon2i$m=8,t=1,p=1${salt}${hashed}",
    ):
        seed("password", encoded.encode())
    for reply in (
        "+OK\r\n-MOVED 1 h:1\r\n:-12\r\n", "$3\r\nabc\r\n", "$-1\r\n", "_\r\n", ",nan\r\n", "#t\r\n",
        "=7\r\ntxt:abc\r\n",
        "(123456789012345678901234567890\r\n", "!9\r\nERR x\r\nyz\r\n", "%1\r\n+a\r\n~1\r\n#t\r\n",
        "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n", ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n",
        "*2\r\n*3\r\n:0\r\n:99\r\n*2\r\n$1\r\nh\r\n:6379\r\n*3\r\n:100\r\n:16383\r\n*3\r\n$-1\r\n:6380\r\n$2\r\nid\r\n",
    ):
        seed("redis_reply", reply.encode())
    for url in (
        "redis://u:hunter2@h/4",
        "rediss+sentinel://u:hunter2@h:1,[::1]/main/4?sentinel_username=w&sentinel_password=hunter2",
        "redis+cluster://:hunter2@h:1,j",
        "redis+unix:///run/redis.sock?db=4",
        "valkeys://h:1",
    ):
        for rest in ("0\n3999 127.0.0.1:6381", "7@5461@a:1\n1 :6381"):
            seed("redis_texts", f"{rest}\n{url}".encode())
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
