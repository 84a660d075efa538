//! Properties that must hold for any bytes from a Redis server, for URLs, and for the positions of lists.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "for tests only")]

use redis::{Value, parse_redis_value};

use super::{
    scan::Position,
    wire::{
        address,
        address::Address,
        frame,
        slots::{SLOTS, Slots, read_redirect},
    },
};
use crate::error::ErrorKind;

/// Bytes from a server: each reply is read as the driver reads it, and only once it is complete.
pub fn redis_reply(bytes: &[u8]) {
    if let Some((len, text)) = frame::begun_text(bytes, 1..=64)
        && let Ok(Some((value, end))) = frame::read(bytes)
    {
        assert!(value == Value::BulkString(text[..len].to_vec()) && end == bytes.len() - text.len() + len + 2);
    }
    let (value, len) = match frame::read(bytes) {
        Ok(Some(found)) => found,
        Ok(None) => return assert!(parse_redis_value(bytes).is_err(), "the driver finds a complete reply"),
        Err(error) => return assert!(!error.is_io_error()),
    };
    assert!(len > 0 && len <= bytes.len());
    let reply = &bytes[..len];
    assert!(parse_redis_value(reply).is_ok_and(|other| same(&other, &value)), "the driver reads another reply");
    let cut = reply.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % len;
    for end in [cut, len - 1] {
        assert!(matches!(frame::read(&reply[..end]), Ok(None)), "a part of a reply is read as complete");
    }
    let longer = [reply, b"+OK\r\n"].concat();
    assert!(
        frame::read(&longer).is_ok_and(|found| found.is_some_and(|(again, end)| end == len && same(&again, &value)))
    );
    let asked = Address::Tcp("asked".to_owned(), 1);
    let Some(slots) = Slots::read(value, &asked) else { return };
    for (slot, node) in slots.primaries() {
        assert!(slot < SLOTS && slots.owner(slot) == Some(&node));
    }
}

/// Equality in which NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    a == b || format!("{a:?}") == format!("{b:?}")
}

/// One line for each text: a URL, the redirection of a node, the position of a list.
pub fn redis_texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (position, redirect, url) = (line(), line(), line());
    if let Some(found) = Position::read(position) {
        assert_eq!(Position::read(&found.write()), Some(found.clone()));
        let primaries = [(0, Address::Tcp("a".to_owned(), 1)), (100, Address::Tcp("b".to_owned(), 2))];
        for primaries in [&primaries[..], &primaries[..1], &[]] {
            let Some((node, cursor)) = found.within(primaries) else { continue };
            assert!(primaries.iter().any(|(_, primary)| primary == node));
            if let Some(next) = Position::after(cursor, node, primaries) {
                assert_eq!(Position::read(&next.write()), Some(next.clone()));
                assert!(next.within(primaries).is_some() && next.only().is_none());
            }
        }
    }
    for asked in [Address::Tcp("asked".to_owned(), 1), Address::Unix("/run/redis".into())] {
        let Some((slot, address)) = read_redirect(redirect, &asked) else { continue };
        assert!(slot < SLOTS && matches!(address, Address::Tcp(..)));
    }
    match address::parse(url) {
        Ok(target) => assert!(!matches!(target.place, address::Servers::Sentinel(_, name) if name.is_empty())),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "the error shows a password");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_replies_keep_their_promises() {
        let slots = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nh\r\n:6379\r\n";
        for reply in ["", "+OK\r\n", "$3\r\nabc\r\n", "$3\r\nab", ",nan\r\n", "*2\r\n:1\r\n$-1\r\n", "x", slots] {
            redis_reply(reply.as_bytes());
        }
        for reply in [&b"_\0\xf8\xff\r\n"[..], b"%-1\r\n"] {
            redis_reply(reply);
        }
    }

    #[test]
    fn known_texts_keep_their_promises() {
        for texts in [
            "",
            "0\n3999 127.0.0.1:6381\nredis://u:hunter2@h/4",
            "7@5461@a:1\n1 :6381\nrediss+sentinel://u:hunter2@h:1,[::1]/main/4?sentinel_password=hunter2",
            "7@50@gone:1\n\nredis+cluster://:hunter2@h:x",
        ] {
            redis_texts(texts.as_bytes());
        }
    }
}
