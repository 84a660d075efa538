//! Splits the replies of Redis, in RESP2 and RESP3.

use std::ops::RangeInclusive;

use redis::{RedisError, Value, parse_redis_value};

/// The longest text that Redis sends: `proto-max-bulk-len` is 512 MiB by default and can be raised to this.
const LONGEST: usize = i32::MAX as usize;
/// The maximum depth of nested replies, as in the driver's parser.
const DEEPEST: usize = 100;

/// The first reply in `bytes` and its length; `None` if it is incomplete. The usual replies are read here, all others
/// by the driver's parser.
///
/// # Errors
/// If `bytes` do not begin with a reply.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Value, usize)>, RedisError> {
    let found = match Frame::new(bytes) {
        Ok(Some(frame)) => frame,
        Ok(None) => return Ok(None),
        Err(Garbage) => return Err(garbage(bytes)),
    };
    let value = match (found.kind, found.number) {
        (b'$' | b'*', Some(-1)) => Value::Nil,
        (b'_', _) if found.text.is_empty() => Value::Nil,
        (b'$', Some(_)) => Value::BulkString(found.text.to_vec()),
        (b':', Some(number)) => Value::Int(number),
        (b'+', _) if found.text == b"OK" => Value::Okay,
        _ => parse_redis_value(bytes.get(..found.len).unwrap_or_default())?,
    };
    Ok(Some((value, found.len)))
}

/// The text of a reply; `None` if we cannot have written it.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// For `bytes` that begin with an incomplete text: its length, and the part of the text that has arrived; `None` for
/// other replies, and for a length that is not in `lengths`.
pub(crate) fn begun_text(bytes: &[u8], lengths: RangeInclusive<usize>) -> Option<(usize, &[u8])> {
    let text = bytes.strip_prefix(b"$")?;
    let end = text.windows(2).position(|end| end == b"\r\n")?;
    let len = usize::try_from(number(text.get(..end)?)?).ok()?;
    lengths.contains(&len).then_some((len, text.get(end + 2..)?))
}

/// The bytes are not a reply.
struct Garbage;

fn garbage(bytes: &[u8]) -> RedisError {
    let start = bytes.get(..bytes.len().min(64)).unwrap_or_default();
    match parse_redis_value(start) {
        Err(error) if !error.is_io_error() => error,
        _ => (redis::ErrorKind::Parse, "the server sent an invalid reply").into(),
    }
}

struct Frame<'a> {
    kind: u8,
    /// The content of a `$`; for all others, the first line.
    text: &'a [u8],
    /// The value of the first line, if it is a number.
    number: Option<i64>,
    len: usize,
}

impl<'a> Frame<'a> {
    fn new(bytes: &'a [u8]) -> Result<Option<Self>, Garbage> {
        let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
        // Most lines are short; errors may be long.
        let Some(line) = rest.iter().position(|byte| *byte == b'\r').and_then(|end| rest.get(..end)) else {
            return if b"$*:_%~>|#,(=!-+".contains(kind) { Ok(None) } else { Err(Garbage) };
        };
        let body = 1 + line.len() + 2;
        match bytes.get(body - 1) {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(Garbage),
        }
        let number = number(line);
        let frame = |text, len| Ok(Some(Self { kind: *kind, text, number, len }));
        match (kind, number) {
            (b'+' | b'-' | b'_' | b'#' | b',' | b'(', _) | (b':', Some(_)) => frame(line, body),
            (b'$' | b'*' | b'~', Some(-1)) => frame(line, body),
            (b'$' | b'=' | b'!', Some(number)) => {
                let len = usize::try_from(number).ok().filter(|len| *len <= LONGEST).ok_or(Garbage)?;
                let end = body + len;
                match bytes.get(end..end + 2) {
                    None => Ok(None),
                    Some(b"\r\n") => frame(bytes.get(body..end).unwrap_or_default(), end + 2),
                    Some(_) => Err(Garbage),
                }
            }
            (b'*' | b'~' | b'>' | b'%' | b'|', Some(_)) => {
                let len = len(bytes)?;
                len.map_or(Ok(None), |len| frame(line, len))
            }
            _ => Err(Garbage),
        }
    }
}

/// The length of a nested reply.
fn len(bytes: &[u8]) -> Result<Option<usize>, Garbage> {
    let mut at = 0;
    // The number of missing replies on each level.
    let mut missing = vec![1_u64];
    while let Some(left) = missing.last_mut() {
        if *left == 0 {
            missing.pop();
            continue;
        }
        *left -= 1;
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first() {
            None => return Ok(None),
            Some(kind @ (b'*' | b'~' | b'>' | b'%' | b'|')) => {
                let Some(end) = rest.windows(2).position(|end| end == b"\r\n") else { return Ok(None) };
                let count = match number(rest.get(1..end).unwrap_or_default()) {
                    Some(-1) if !matches!(kind, b'%' | b'|') => 0,
                    Some(count) => u64::try_from(count).map_err(|_| Garbage)?,
                    None => return Err(Garbage),
                };
                let count = match kind {
                    b'%' => count.checked_mul(2),
                    // The reply itself comes after its attributes.
                    b'|' => count.checked_mul(2).and_then(|count| count.checked_add(1)),
                    _ => Some(count),
                };
                missing.push(count.ok_or(Garbage)?);
                if missing.len() > DEEPEST {
                    return Err(Garbage);
                }
                at += end + 2;
            }
            Some(_) => match Frame::new(rest)? {
                Some(frame) => at += frame.len,
                None => return Ok(None),
            },
        }
    }
    Ok(Some(at))
}

fn number(line: &[u8]) -> Option<i64> {
    let (digits, is_negative) = match line.split_first() {
        Some((b'-', digits)) => (digits, true),
        _ => (line, false),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |number, digit| {
        let digit = i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        let digit = if is_negative { -digit } else { digit };
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"+PONG\r\n",
        b"-ERR no such thing\r\n",
        b"-MOVED 1 127.0.0.1:7000\r\n",
        b":-12\r\n",
        b":9223372036854775807\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*2\r\n*-1\r\n:1\r\n",
        b"$0\r\n\r\n",
        b"$12\r\n\r\n$3\r\nabc\r\nx\r\n",
        b"_\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:7\r\n",
        b"%1\r\n+a\r\n~1\r\n#t\r\n",
        b"|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n",
        b">2\r\n+invalidate\r\n_\r\n",
        b",1.5\r\n",
        b"(123456789012345678901234567890\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!9\r\nERR x\r\nyz\r\n",
    ];

    #[test]
    fn each_reply_is_read_as_the_driver_reads_it() {
        for bytes in REPLIES {
            let (value, len) = read(bytes).unwrap().unwrap();
            assert_eq!((value, len), (parse_redis_value(bytes).unwrap(), bytes.len()), "{bytes:?}");
            let twice = [*bytes, b"+OK\r\n"].concat();
            assert_eq!(read(&twice).unwrap().unwrap().1, bytes.len());
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]).unwrap(), None, "{:?}", &bytes[..end]);
            }
        }
    }

    #[test]
    fn an_invalid_reply_is_an_error() {
        let nested = b"*1\r\n".repeat(DEEPEST);
        assert_eq!(read(&nested[4..]).unwrap(), None, "one less is as deep as may be");
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"x",
            b"$x\r\n",
            b"$-2\r\n",
            b"$99999999999\r\n",
            b"$1\r\nabc",
            b":\r\n",
            b":x\r\n",
            b":1:\r\n",
            b"+OK\rx",
            b"*x\r\n",
            b"%-2\r\n",
            b"*2\r\n:1\r\nx",
            b"_\xff\r\n",
            b"%-1\r\n",
            b"|-1\r\n+OK\r\n",
            b"*1\r\n%-1\r\n",
            &nested,
        ] {
            let error = read(bytes).unwrap_err();
            assert!(!error.is_io_error() && error.code().is_none(), "{bytes:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_a_reply_is_within_them(bytes in "[-+:$*%~>|_#,(=!0-9a\\r\\n]{0,30}") {
            if let Ok(Some((value, len))) = read(bytes.as_bytes()) {
                prop_assert!(len <= bytes.len());
                prop_assert_eq!(parse_redis_value(&bytes.as_bytes()[..len]).unwrap(), value);
            }
        }
    }
}
